import { error, redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
import type { Role } from '$lib/api/types';
import { session } from './session.svelte';

/** Sends who is not signed in to the login, or to the set-up of a server that is new. */
export async function requireSession(url: URL): Promise<void> {
	if (session.active) return;
	let completed = true;
	try {
		completed = (await ok(api.GET('/api/setup'))).completed;
	} catch {
		// The login page says that the server cannot be reached.
	}
	if (!completed) redirect(307, '/setup');
	redirect(307, loginFor(url));
}

/** The error page for who is signed in, and may not be here. */
export function requireRole(role: Role): void {
	if (!session.has(role)) error(403, { message: role === 'admin' ? 'This page is for administrators.' : 'This page is for moderators.' });
}

/** The login, and back to an address of this app. */
export function loginFor({ pathname, search }: Pick<URL, 'pathname' | 'search'>): string {
	const next = pathname + search;
	return next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`;
}

const NOWHERE = 'http://odeion.invalid';

/** Only paths of this app: a link from outside must not send a fresh login elsewhere. */
export function safeNext(next: string | null): string {
	if (!next?.startsWith('/')) return '/';
	let url: URL;
	try {
		// Browsers drop tabs and take a backslash for a slash: let one read it.
		url = new URL(next, NOWHERE);
	} catch {
		return '/';
	}
	const isWayIn = /^\/(login|oauth|register|reset-password|link)(\/|$)/.test(url.pathname);
	return url.origin === NOWHERE && !isWayIn && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : '/';
}
