import { api, ok } from '$lib/api/client';
import type { WatchedSession, WatchedSessionDetail } from '$lib/api/types';
import { type Sighting, sight } from './playing';

/** More than this at once are not shown one by one. */
export const SHOWN = 100;

/** A session with what does not change while it lasts: why it is played so, and how long the file is. */
export interface Playing {
	session: WatchedSession;
	seen: Sighting;
	detail: WatchedSessionDetail;
	duration_ms: number | null;
}

export interface Around {
	items: Playing[];
	total: number;
}

/** Who plays what now. What is known of those that were there `before` is not asked for again. */
export async function lookAround(before: Playing[]): Promise<Around> {
	const { items, total_items } = await ok(api.GET('/api/admin/playback-sessions', { params: { query: { active_only: true, per_page: SHOWN } } }));
	return { items: await Promise.all(items.map((session) => look(session, before.find((one) => one.session.id === session.id)))), total: total_items };
}

async function look(session: WatchedSession, before?: Playing): Promise<Playing> {
	const seen = sight(session, before?.seen);
	if (before) return { ...before, session, seen };
	const [detail, duration_ms] = await Promise.all([ok(api.GET('/api/admin/playback-sessions/{id}', { params: { path: { id: session.id } } })), durationOf(session)]);
	return { session, seen, detail, duration_ms };
}

/** Null where the title, or the file that is played, is gone. */
async function durationOf({ media_type, media_id, file_id }: WatchedSession): Promise<number | null> {
	const request = { params: { path: { id: media_id } } };
	try {
		const title = media_type === 'movie' ? await ok(api.GET('/api/movies/{id}', request)) : await ok(api.GET('/api/episodes/{id}', request));
		return title.files.find((file) => file.id === file_id)?.duration_ms ?? title.duration_ms;
	} catch {
		return null;
	}
}
