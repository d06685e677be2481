import { api, ok } from '$lib/api/client';
import { idOf, orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, depends }) => {
	depends('app:film');
	const id = idOf(params.id);
	return { movie: await orErrorPage(ok(api.GET('/api/movies/{id}', { params: { path: { id } } }))) };
};
