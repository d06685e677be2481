import type { MediaType, ViewerProgress } from '$lib/api/types';

/** A tab's own memory of where it was, for a reload that is quicker than its last message to the server. */
interface Noted {
	ms: number;
	at: number;
}

const keyOf = (type: MediaType, id: number) => `odeion.position.${type}.${id}`;

export function note(type: MediaType, id: number, ms: number): void {
	try {
		sessionStorage.setItem(keyOf(type, id), JSON.stringify({ ms: Math.round(ms), at: Date.now() } satisfies Noted));
	} catch {
		// Private windows may refuse; the server knows the position too.
	}
}

export function forget(type: MediaType, id: number): void {
	sessionStorage.removeItem(keyOf(type, id));
}

export function noted(type: MediaType, id: number): Noted | null {
	try {
		return JSON.parse(sessionStorage.getItem(keyOf(type, id)) ?? 'null') as Noted | null;
	} catch {
		return null;
	}
}

/** Where to begin: what the address asks for, else the newer of what this tab and what the server remember. */
export function startAt(asked: string | null, saved: ViewerProgress | null, tab: Noted | null): number {
	if (asked !== null && /^\d{1,9}$/.test(asked)) return Number(asked) * 1000;
	const server = saved?.position_ms ?? 0;
	if (tab && tab.at > Date.parse(saved?.updated_at ?? '1970-01-01T00:00:00Z')) return tab.ms;
	return server;
}
