import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
	depends('app:api-keys');
	await parent();
	return { keys: await orErrorPage(ok(api.GET('/api/account/api-keys'))) };
};
