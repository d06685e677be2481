import { api, ok } from '$lib/api/client';
import { orErrorPage, pageOf } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends, url }) => {
	depends('app:invites');
	await parent();
	return { invites: await orErrorPage(ok(api.GET('/api/users/invites', { params: { query: { page: pageOf(url), per_page: 20 } } }))) };
};
