import { api, ok } from '$lib/api/client';
import { idOf, orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, depends }) => {
	depends('app:series');
	const id = idOf(params.id);
	return { series: await orErrorPage(ok(api.GET('/api/series/{id}', { params: { path: { id } } }))) };
};
