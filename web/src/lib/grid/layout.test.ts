import { describe, expect, it } from 'vitest';
import { pagesOf, rowsInSight, shape } from './layout';

describe('shape', () => {
	it('fills the width with as many columns as fit', () => {
		expect(shape(1000, 180, 20, 30, 1.5, 50)).toEqual({ columns: 5, cardWidth: 184, rowHeight: 184 * 1.5 + 80 });
	});

	it('has two columns on the narrowest phone', () => {
		expect(shape(280, 180, 16, 24, 1.5, 50).columns).toBe(2);
	});
});

describe('rowsInSight', () => {
	it('draws the rows in sight and some more', () => {
		expect(rowsInSight(1000, 800, 400, 100, 1)).toEqual({ first: 1, last: 5 });
	});

	it('stays inside the grid', () => {
		expect(rowsInSight(-500, 800, 400, 3, 2)).toEqual({ first: 0, last: 2 });
		expect(rowsInSight(1e9, 800, 400, 3, 2)).toEqual({ first: 2, last: 2 });
		expect(rowsInSight(0, 800, 400, 0, 2)).toEqual({ first: 0, last: -1 });
	});
});

describe('pagesOf', () => {
	it('names each page that holds a drawn item', () => {
		expect(pagesOf({ first: 0, last: 3 }, 6, 100, 10_000)).toEqual([1]);
		expect(pagesOf({ first: 15, last: 17 }, 6, 100, 10_000)).toEqual([1, 2]);
	});

	it('does not go beyond the last item', () => {
		expect(pagesOf({ first: 16, last: 20 }, 6, 100, 100)).toEqual([1]);
		expect(pagesOf({ first: 0, last: -1 }, 6, 100, 0)).toEqual([]);
	});
});
