import { requireSession } from '$lib/auth/guard';
import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { LayoutLoad } from './$types';

export const load: LayoutLoad = async ({ url, depends, untrack }) => {
	depends('app:libraries');
	await untrack(() => requireSession(url));
	const { items } = await orErrorPage(ok(api.GET('/api/libraries')));
	return { libraries: items };
};
