import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { orErrorPage, pageOf } from '$lib/load';
import { type Ended, STATES } from './conversions';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url, depends }) => {
	depends('app:conversions');
	await parent();
	requireRole('moderator');
	const asked = url.searchParams.get('state') ?? '';
	const state = asked in STATES && asked !== 'running' ? (asked as Ended) : null;
	const [running, all] = await orErrorPage(
		Promise.all([
			ok(api.GET('/api/admin/transcode-sessions', { params: { query: { active_only: true, per_page: 100 } } })),
			ok(api.GET('/api/admin/transcode-sessions', { params: { query: { page: pageOf(url), per_page: 20, ...(state ? { state } : {}) } } }))
		])
	);
	return { running: running.items, all, state };
};
