import type { Provider, ProviderKind, ProviderSettings } from '$lib/api/types';

export const KINDS: { kind: ProviderKind; name: string; text: string }[] = [
	{ kind: 'oidc', name: 'OpenID Connect', text: 'Authentik, Keycloak, Authelia and the like, by its address' },
	{ kind: 'google', name: 'Google', text: 'An OAuth client of the Google Cloud console' },
	{ kind: 'github', name: 'GitHub', text: 'An OAuth app of the developer settings' },
	{ kind: 'discord', name: 'Discord', text: 'An application of the developer portal' },
	{ kind: 'apple', name: 'Apple', text: 'A Services ID with a key for signing in' }
];

export const FIELD_NAMES: Record<string, string> = {
	client_id: 'client ID',
	client_secret: 'client secret',
	issuer: 'issuer',
	team_id: 'team ID',
	key_id: 'key ID'
};

/** A provider as it is sent back: the server keeps a secret that is not sent. */
export function asSettings(provider: Provider): ProviderSettings {
	const { key, kind, display_name, enabled, client_id, issuer, team_id, key_id, native_client_ids, allow_private_network } = provider;
	return { key, kind, display_name, enabled, client_id, issuer, team_id, key_id, native_client_ids, allow_private_network };
}

/** A key for addresses out of a name: "Zu Hause!" → "zu-hause". */
export function keyOf(name: string): string {
	return name
		.toLowerCase()
		.normalize('NFKD')
		.replace(/[^a-z0-9]+/g, '-')
		.replace(/^-+|-+$/g, '')
		.slice(0, 32)
		.replace(/-+$/, '');
}

/** The whole list with one provider put in: in the place of the one with its key, or at the end. */
export function withProvider(providers: Provider[], changed: ProviderSettings): ProviderSettings[] {
	const all = providers.map((provider) => (provider.key === changed.key ? changed : asSettings(provider)));
	return all.includes(changed) ? all : [...all, changed];
}
