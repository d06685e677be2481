/** The arithmetic of a grid that draws only the rows that can be seen. All lengths are CSS pixels. */

export interface GridShape {
	columns: number;
	cardWidth: number;
	rowHeight: number;
}

export function shape(width: number, minCard: number, gapX: number, gapY: number, ratio: number, footer: number): GridShape {
	const columns = Math.max(2, Math.floor((width + gapX) / (minCard + gapX)));
	const cardWidth = Math.max(1, (width - gapX * (columns - 1)) / columns);
	return { columns, cardWidth, rowHeight: cardWidth * ratio + footer + gapY };
}

export interface RowRange {
	first: number;
	last: number;
}

/** The rows to draw: those in sight and `overscan` more on each side. `top` is how far the grid is scrolled past. */
export function rowsInSight(top: number, viewport: number, rowHeight: number, rowCount: number, overscan: number): RowRange {
	if (rowCount === 0 || rowHeight <= 0) return { first: 0, last: -1 };
	const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
	const last = Math.min(rowCount - 1, Math.ceil((top + viewport) / rowHeight) - 1 + overscan);
	return { first: Math.min(first, rowCount - 1), last: Math.max(last, Math.min(first, rowCount - 1)) };
}

/** The pages (from 1) that hold the items of these rows. */
export function pagesOf(rows: RowRange, columns: number, perPage: number, total: number): number[] {
	if (rows.last < rows.first || total === 0) return [];
	const firstItem = rows.first * columns;
	const lastItem = Math.min(total - 1, (rows.last + 1) * columns - 1);
	const pages: number[] = [];
	for (let page = Math.floor(firstItem / perPage) + 1; page <= Math.floor(lastItem / perPage) + 1; page++) pages.push(page);
	return pages;
}
