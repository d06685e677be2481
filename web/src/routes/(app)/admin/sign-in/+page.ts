import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
	depends('app:providers');
	await parent();
	requireRole('admin');
	return { providers: (await orErrorPage(ok(api.GET('/api/admin/settings/oauth')))).providers };
};
