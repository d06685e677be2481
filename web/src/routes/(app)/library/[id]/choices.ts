import type { Library } from '$lib/api/types';

export const SORTS = ['title', 'year', 'added_at', 'duration'] as const;
export type Sort = (typeof SORTS)[number];
export type Kind = 'films' | 'series';

/** What a visitor of a library has chosen to see; kept in the address, so that "back" and a link find it again. */
export interface Choices {
	kind: Kind;
	sort: Sort;
	order: 'asc' | 'desc';
	watched: 'all' | 'yes' | 'no';
	available: boolean;
	search: string;
}

/** Titles begin with A, all else with the newest or longest. */
export const usualOrder = (sort: Sort): 'asc' | 'desc' => (sort === 'title' ? 'asc' : 'desc');

export function choicesOf(query: URLSearchParams, library: Pick<Library, 'kind' | 'movie_count' | 'series_count'>): Choices {
	const asked = query.get('kind');
	const kind: Kind =
		library.kind === 'film'
			? 'films'
			: library.kind === 'series'
				? 'series'
				: asked === 'series' || (asked === null && library.movie_count === 0 && library.series_count > 0)
					? 'series'
					: 'films';
	const sort = SORTS.find((one) => one === query.get('sort') && !(one === 'duration' && kind === 'series')) ?? 'title';
	const order = query.get('order') === 'asc' ? 'asc' : query.get('order') === 'desc' ? 'desc' : usualOrder(sort);
	const watched = query.get('watched');
	return {
		kind,
		sort,
		order,
		watched: watched === 'yes' || watched === 'no' ? watched : 'all',
		available: query.get('available') === 'yes',
		search: (query.get('q') ?? '').slice(0, 200)
	};
}

export function addressOf(choices: Choices, library: Pick<Library, 'kind' | 'movie_count' | 'series_count'>): string {
	const query = new URLSearchParams();
	const usual = choicesOf(new URLSearchParams(), library);
	if (choices.kind !== usual.kind) query.set('kind', choices.kind);
	if (choices.sort !== 'title') query.set('sort', choices.sort);
	if (choices.order !== usualOrder(choices.sort)) query.set('order', choices.order);
	if (choices.watched !== 'all') query.set('watched', choices.watched);
	if (choices.available) query.set('available', 'yes');
	if (choices.search) query.set('q', choices.search);
	return `?${query}`;
}

/** The query of the API for these choices. */
export function listingOf(choices: Choices, libraryId: number) {
	return {
		library_id: libraryId,
		sort: choices.sort,
		order: choices.order,
		...(choices.search ? { search: choices.search } : {}),
		...(choices.watched === 'all' ? {} : { watched: choices.watched === 'yes' }),
		...(choices.available ? { available: true } : {})
	};
}
