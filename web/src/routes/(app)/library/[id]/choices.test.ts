import { describe, expect, it } from 'vitest';
import { addressOf, choicesOf, listingOf } from './choices';

const mixed = { kind: 'mixed', movie_count: 3, series_count: 2 } as const;
const films = { ...mixed, kind: 'film' } as const;

describe('choicesOf', () => {
	it('starts with all titles from A to Z', () => {
		expect(choicesOf(new URLSearchParams(), films)).toEqual({
			kind: 'films',
			sort: 'title',
			order: 'asc',
			watched: 'all',
			available: false,
			search: ''
		});
	});

	it('shows series where there is nothing else', () => {
		expect(choicesOf(new URLSearchParams(), { ...mixed, movie_count: 0 }).kind).toBe('series');
		expect(choicesOf(new URLSearchParams('kind=series'), films).kind).toBe('films');
	});

	it('ignores what it does not know', () => {
		expect(choicesOf(new URLSearchParams('sort=evil&watched=maybe&order=up'), films)).toMatchObject({
			sort: 'title',
			watched: 'all',
			order: 'asc'
		});
	});
});

describe('addressOf', () => {
	it('is read back as the same choices', () => {
		const choices = choicesOf(new URLSearchParams('kind=series&sort=year&watched=no&q=night&available=yes'), mixed);
		expect(choicesOf(new URLSearchParams(addressOf(choices, mixed)), mixed)).toEqual(choices);
		expect(choices.order).toBe('desc');
	});
});

describe('listingOf', () => {
	it('asks only for what was chosen', () => {
		expect(listingOf(choicesOf(new URLSearchParams('watched=no'), films), 7)).toEqual({
			library_id: 7,
			sort: 'title',
			order: 'asc',
			watched: false
		});
	});
});
