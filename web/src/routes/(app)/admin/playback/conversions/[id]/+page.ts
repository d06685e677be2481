import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { idOf, orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, parent }) => {
	await parent();
	requireRole('moderator');
	return { run: await orErrorPage(ok(api.GET('/api/admin/transcode-sessions/{id}', { params: { path: { id: idOf(params.id) } } }))) };
};
