import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	return { user: await orErrorPage(ok(api.GET('/api/users/me'))) };
};
