import { api, ok } from '$lib/api/client';
import { orErrorPage, pageOf } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends, url }) => {
	depends('app:sessions');
	await parent();
	const query = { page: pageOf(url), per_page: 20 };
	return { sessions: await orErrorPage(ok(api.GET('/api/auth/sessions', { params: { query } }))) };
};
