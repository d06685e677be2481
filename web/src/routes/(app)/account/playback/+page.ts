import { api, ok } from '$lib/api/client';
import type { Preferences } from '$lib/api/types';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	return { settings: (await orErrorPage(ok(api.GET('/api/settings')))) as Preferences };
};
