export type Frame = { kind: 'ready' } | { kind: 'event'; name: string; data: unknown };

/** What a frame of the server means, or null when it means nothing to us. */
export function eventOf(text: string): Frame | null {
	let frame: unknown;
	try {
		frame = JSON.parse(text);
	} catch {
		return null;
	}
	if (typeof frame !== 'object' || frame === null) return null;
	const { type, payload } = frame as { type?: unknown; payload?: unknown };
	if (type === 's2c_auth_ok') return { kind: 'ready' };
	if (type !== 's2c_event' || typeof payload !== 'object' || payload === null) return null;
	const { name, data } = payload as { name?: unknown; data?: unknown };
	return typeof name === 'string' ? { kind: 'event', name, data } : null;
}

/** 1 s, 2 s, 4 s … at most half a minute, scattered so that tabs do not come back all at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
	return Math.min(30_000, 1000 * 2 ** Math.min(attempt, 6)) * (0.75 + random() * 0.5);
}
