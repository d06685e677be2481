import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	requireRole('admin');
	return { settings: await orErrorPage(ok(api.GET('/api/admin/transcoding/settings'))) };
};
