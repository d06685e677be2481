import type { WatchedSession } from '$lib/api/types';

/** Players tell so often where they are. */
const BEAT_MS = 30_000;

/** What a session last told of itself, and whether it is believed to go on from there. */
export interface Sighting {
	heartbeat_at: string;
	position_ms: number;
	moving: boolean;
}

/** A session that told the same place twice stands still. */
export function sight(session: Pick<WatchedSession, 'heartbeat_at' | 'position_ms'>, before?: Sighting): Sighting {
	const { heartbeat_at, position_ms } = session;
	if (before?.heartbeat_at === heartbeat_at) return before;
	return { heartbeat_at, position_ms, moving: position_ms !== before?.position_ms };
}

/** Where it is by now: it goes on between two beats, and no further than that. */
export function positionAt(seen: Sighting, now: number, duration_ms: number | null): number {
	if (!seen.moving) return seen.position_ms;
	const since = Math.min(BEAT_MS, Math.max(0, now - Date.parse(seen.heartbeat_at)));
	return Math.min(duration_ms ?? Infinity, seen.position_ms + since);
}

/** "Chrome on Linux · Odeion Web · 192.168.1.20" */
export function deviceLine({ device_name, client, address }: Pick<WatchedSession, 'device_name' | 'client' | 'address'>): string {
	return [...new Set([device_name || 'Unnamed device', client, address])].filter(Boolean).join(' · ');
}

/** The name of a file for what is known of a session: "session-12.json". */
export function bundleName(kind: string, id: number): string {
	return `odeion-${kind}-${id}.json`;
}
