import { describe, expect, it } from 'vitest';
import { type Box, nearest } from './spatial';

const cell = (column: number, row: number): Box => ({
	left: column * 110,
	right: column * 110 + 100,
	top: row * 160,
	bottom: row * 160 + 150
});
const grid = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => ({ box: cell(column, row), item: `${column},${row}` })));
const others = (name: string) => grid.filter(({ item }) => item !== name);

describe('nearest', () => {
	it('goes to the neighbour in each direction', () => {
		expect(nearest(cell(1, 1), others('1,1'), 'right')).toBe('2,1');
		expect(nearest(cell(1, 1), others('1,1'), 'left')).toBe('0,1');
		expect(nearest(cell(1, 1), others('1,1'), 'down')).toBe('1,2');
		expect(nearest(cell(1, 1), others('1,1'), 'up')).toBe('1,0');
	});

	it('stops at the edges', () => {
		expect(nearest(cell(2, 0), others('2,0'), 'right')).toBeNull();
		expect(nearest(cell(2, 0), others('2,0'), 'up')).toBeNull();
	});

	it('finds what stands aside when going down', () => {
		const button = { box: { left: 700, right: 800, top: 0, bottom: 40 }, item: 'button' };
		const card = { box: { left: 0, right: 100, top: 200, bottom: 350 }, item: 'card' };
		expect(nearest(button.box, [card], 'down')).toBe('card');
	});
});
