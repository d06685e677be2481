import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ url }) => {
	const text = (url.searchParams.get('q') ?? '').trim().slice(0, 200);
	if (!text) return { text, movies: null, series: null };
	const query = { search: text, per_page: 60 };
	const [movies, series] = await orErrorPage(
		Promise.all([ok(api.GET('/api/movies', { params: { query } })), ok(api.GET('/api/series', { params: { query } }))])
	);
	return { text, movies, series };
};
