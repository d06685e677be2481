import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
	depends('app:home');
	await parent();
	const newest = { sort: 'added_at', order: 'desc', per_page: 24 } as const;
	const [resume, movies, series] = await orErrorPage(
		Promise.all([
			ok(api.GET('/api/progress/all', { params: { query: { view: 'resume', per_page: 24 } } })),
			ok(api.GET('/api/movies', { params: { query: newest } })),
			ok(api.GET('/api/series', { params: { query: newest } }))
		])
	);
	return { resume: resume.items, movies: movies.items, series: series.items };
};
