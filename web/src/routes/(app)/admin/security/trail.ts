import type { SecurityEvent } from '$lib/api/types';

export type EventKind = SecurityEvent['kind'];

export const EVENTS: Record<EventKind, string> = {
	first_run_completed: 'Set the server up',
	login_succeeded: 'Signed in',
	login_failed: 'Failed to sign in',
	login_throttled: 'Made to wait after failed sign-ins',
	second_factor_failed: 'Failed at the second step',
	refresh_reused: 'A spent token was used again; the session was ended',
	signed_out: 'Signed out',
	sessions_revoked: 'Devices were signed out',
	password_changed: 'Password changed',
	password_reset_link_made: 'Link for a new password made',
	password_reset: 'Password set by link',
	user_created: 'Account made',
	user_renamed: 'User name changed',
	user_deleted: 'Account deleted',
	user_locked: 'Account locked',
	user_unlocked: 'Account unlocked',
	role_changed: 'Role changed',
	permissions_changed: 'Permissions changed',
	invite_created: 'Invite made',
	invite_deleted: 'Invite deleted',
	invite_redeemed: 'Came with an invite',
	device_code_created: 'Code for a device made',
	device_paired: 'Device linked',
	api_key_created: 'API key made',
	api_key_revoked: 'API key revoked',
	oauth_settings_changed: 'Sign-in providers changed',
	oauth_linked: 'Identity linked',
	oauth_unlinked: 'Identity unlinked',
	passkey_added: 'Passkey added',
	passkey_removed: 'Passkey removed',
	totp_enabled: 'Authenticator app set up',
	totp_disabled: 'Authenticator app turned off',
	recovery_codes_made: 'Recovery codes made',
	recovery_code_used: 'Recovery code used',
	second_factors_reset: 'Second factors taken away'
};

/** What deserves a second look. */
const ALARMING: EventKind[] = ['login_failed', 'login_throttled', 'second_factor_failed', 'refresh_reused'];

export const isAlarming = (event: SecurityEvent): boolean => ALARMING.includes(event.kind);

/** Who did it, where that is not who it is about. */
export function doneBy(event: SecurityEvent): string {
	if (event.actor_id === null || event.actor_id === event.user_id) return '';
	return `by ${event.actor_username ?? 'somebody who is gone'}`;
}

const DETAILS: Record<string, string> = { way: 'with', name: 'named', hint: 'beginning with', scopes: 'for', wait_s: 'seconds to wait:', method: 'by' };

/** {"from": "viewer", "to": "admin"} → ["from viewer", "to admin"] */
export function detailsOf(event: SecurityEvent): string[] {
	return Object.entries(event.details).flatMap(([name, value]) => {
		if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return [];
		const text = Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value);
		return [`${DETAILS[name] ?? name.replaceAll('_', ' ')} ${text}`];
	});
}

/** The days of two date fields, both included, as moments here; what is no date asks for nothing. */
export function between(from: string, to: string): { since?: string; until?: string } {
	const start = midnight(from, 0);
	const end = midnight(to, 1);
	return { ...(start ? { since: start } : {}), ...(end ? { until: end } : {}) };
}

function midnight(date: string, plus_days: number): string | null {
	if (!/^\d{4}-\d\d-\d\d$/.test(date)) return null;
	const moment = new Date(`${date}T00:00`);
	if (Number.isNaN(moment.getTime())) return null;
	moment.setDate(moment.getDate() + plus_days);
	return moment.toISOString();
}
