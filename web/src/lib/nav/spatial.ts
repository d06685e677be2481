/** Which of some rectangles lies next in a direction: what the arrow keys of a remote control need. */

export interface Box {
	left: number;
	top: number;
	right: number;
	bottom: number;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

export const DIRECTIONS: Record<string, Direction> = {
	ArrowLeft: 'left',
	ArrowRight: 'right',
	ArrowUp: 'up',
	ArrowDown: 'down'
};

function turn(box: Box, direction: Direction): Box {
	// Every question is answered as if the direction were "right".
	switch (direction) {
		case 'right':
			return box;
		case 'left':
			return { left: -box.right, right: -box.left, top: box.top, bottom: box.bottom };
		case 'down':
			return { left: box.top, right: box.bottom, top: box.left, bottom: box.right };
		case 'up':
			return { left: -box.bottom, right: -box.top, top: box.left, bottom: box.right };
	}
}

/** How far a box is in a direction, or null when it does not lie there. Lower is nearer. */
export function distance(from: Box, to: Box, direction: Direction): number | null {
	const a = turn(from, direction);
	const b = turn(to, direction);
	const ahead = b.left - a.right;
	const slack = Math.min(a.right - a.left, b.right - b.left) / 2;
	if (ahead < -slack || b.right <= a.right + 1) return null;
	const overlap = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
	const sideways = overlap > 0 ? 0 : -overlap;
	const centres = Math.abs((a.top + a.bottom) / 2 - (b.top + b.bottom) / 2);
	// To the left and right one stays in the row; up and down may go a little aside.
	if ((direction === 'left' || direction === 'right') && overlap <= 0) return null;
	return Math.max(0, ahead) * (overlap > 0 ? 1 : 1.4) + sideways * 2 + centres * 0.18;
}

export function nearest<T>(from: Box, candidates: { box: Box; item: T }[], direction: Direction): T | null {
	let best: T | null = null;
	let least = Infinity;
	for (const { box, item } of candidates) {
		const far = distance(from, box, direction);
		if (far !== null && far < least) {
			least = far;
			best = item;
		}
	}
	return best;
}
