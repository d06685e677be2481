import { redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
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

/** The login, and back to an address of this app. */
export function loginFor({ pathname, search }: Pick<URL, 'pathname' | 'search'>): string {
	const next = pathname + search;
	return next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`;
}

/** Only paths of this app: a link from outside must not send a fresh login elsewhere. */
export function safeNext(next: string | null): string {
	return next && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') ? next : '/';
}
