import { browserSupportsWebAuthn, browserSupportsWebAuthnAutofill, startAuthentication, startRegistration, WebAuthnAbortService } from '@simplewebauthn/browser';
import type { AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, RegistrationResponseJSON } from '@simplewebauthn/browser';
import { api, ok } from '$lib/api/client';
import type { NewPasskey, SignedIn } from '$lib/api/types';

type Answer = Record<string, never>;

/** Browsers offer passkeys on https and on localhost only. */
export const passkeysWork = (): boolean => browserSupportsWebAuthn() && isSecureContext;

/** A passkey was not used because a person turned back, or because another try began. */
export function isTurnedBack(cause: unknown): boolean {
	return cause instanceof Error && (cause.name === 'NotAllowedError' || cause.name === 'AbortError');
}

/** What the browser says against it, in words for people. */
export function passkeyProblem(cause: unknown): string {
	if (isTurnedBack(cause)) return 'No passkey was chosen.';
	if (cause instanceof Error) {
		if (cause.name === 'InvalidStateError') return 'This device has a passkey for you already.';
		if (cause.name === 'SecurityError') return 'Passkeys belong to the server’s own address, and this page has another one. Open that address and try again.';
		return cause.message;
	}
	return 'The passkey could not be used.';
}

/** Asks the device for a passkey of this site and signs in with it. */
export async function signInWithPasskey(): Promise<SignedIn> {
	const { options } = await ok(api.POST('/api/auth/passkeys/options'));
	return redeem(await startAuthentication({ optionsJSON: requestOptions(options) }));
}

/** Offers passkeys among the names the browser suggests, as long as the page is open. Null where it cannot. */
export async function signInFromSuggestions(): Promise<SignedIn | null> {
	if (!passkeysWork() || !(await browserSupportsWebAuthnAutofill())) return null;
	const { options } = await ok(api.POST('/api/auth/passkeys/options'));
	return redeem(await startAuthentication({ optionsJSON: requestOptions(options), useBrowserAutofill: true }));
}

/** The page is left: nobody answers the suggestions any more. */
export const dropSuggestions = (): void => WebAuthnAbortService.cancelCeremony();

async function redeem(credential: AuthenticationResponseJSON): Promise<SignedIn> {
	return ok(api.POST('/api/auth/passkeys/login', { body: { credential: credential as unknown as Answer } }));
}

export async function passkeyForSecondStep(ticket: string): Promise<SignedIn> {
	const { options } = await ok(api.POST('/api/auth/second-factor/passkey-options', { body: { ticket } }));
	const credential: AuthenticationResponseJSON = await startAuthentication({ optionsJSON: requestOptions(options) });
	return ok(api.POST('/api/auth/second-factor', { body: { ticket, method: 'passkey', credential: credential as unknown as Answer } }));
}

export async function addPasskey(name: string): Promise<NewPasskey> {
	const { options } = await ok(api.POST('/api/account/passkeys/options'));
	const optionsJSON = options as unknown as PublicKeyCredentialCreationOptionsJSON;
	const credential: RegistrationResponseJSON = await startRegistration({ optionsJSON });
	return ok(api.POST('/api/account/passkeys', { body: { name, credential: credential as unknown as Answer } }));
}

function requestOptions(options: unknown): PublicKeyCredentialRequestOptionsJSON {
	return options as PublicKeyCredentialRequestOptionsJSON;
}
