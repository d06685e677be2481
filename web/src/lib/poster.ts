/**
 * Posters for titles that have none: a palette, a drawing and a setting of type, all chosen by the title alone, so
 * that a film looks the same on every device and on every day.
 */

export interface Palette {
	deep: string;
	mid: string;
	ink: string;
	mark: string;
	light: boolean;
}

const PALETTES: Palette[] = [
	{ deep: '#101d36', mid: '#2a4a75', ink: '#f3ead9', mark: '#e2a35c', light: false },
	{ deep: '#260d13', mid: '#6d2434', ink: '#f8e8da', mark: '#e8a08c', light: false },
	{ deep: '#0d211b', mid: '#235546', ink: '#efedd9', mark: '#d3bb70', light: false },
	{ deep: '#1f1226', mid: '#533263', ink: '#f2e5ef', mark: '#dc9aba', light: false },
	{ deep: '#0c2226', mid: '#1f5963', ink: '#e6f0eb', mark: '#84c9b8', light: false },
	{ deep: '#271a0b', mid: '#79521f', ink: '#faeed5', mark: '#f0be62', light: false },
	{ deep: '#15161a', mid: '#3f424c', ink: '#efeeec', mark: '#c3c6d0', light: false },
	{ deep: '#0a1c2b', mid: '#184f6d', ink: '#e7f1f6', mark: '#82bddc', light: false },
	{ deep: '#2a130c', mid: '#86412a', ink: '#faebdf', mark: '#f2a781', light: false },
	{ deep: '#191e0c', mid: '#4c5923', ink: '#f2f1da', mark: '#c8cf7d', light: false },
	{ deep: '#131331', mid: '#383880', ink: '#ebe9f8', mark: '#a6a3f2', light: false },
	{ deep: '#271117', mid: '#783447', ink: '#fae7e9', mark: '#f0a8b6', light: false },
	{ deep: '#ded4c1', mid: '#c4b59a', ink: '#26211a', mark: '#a8452a', light: true },
	{ deep: '#c9d3d4', mid: '#a4b6b9', ink: '#18262c', mark: '#28566a', light: true },
	{ deep: '#d3d2b9', mid: '#b3b590', ink: '#22281a', mark: '#5b6b2c', light: true }
];

export const MOTIFS = ['sun', 'arches', 'hills', 'beams', 'dots', 'rings', 'columns', 'waves', 'moon'] as const;
export type Motif = (typeof MOTIFS)[number];

export const SETTINGS = ['serif', 'narrow', 'heavy', 'spaced'] as const;
export type Setting = (typeof SETTINGS)[number];

export interface PosterDesign {
	palette: Palette;
	motif: Motif;
	setting: Setting;
	/** Where the words stand. */
	top: boolean;
	/** Random numbers from 0 to 1 for the drawing. */
	dice: number[];
}

/** FNV-1a with a final mix: small changes of the title give quite other numbers. */
export function hash(text: string): number {
	let h = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) {
		h ^= text.charCodeAt(i);
		h = Math.imul(h, 0x01000193);
	}
	h ^= h >>> 16;
	h = Math.imul(h, 0x85ebca6b);
	h ^= h >>> 13;
	h = Math.imul(h, 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

function generator(seed: number): () => number {
	let state = seed || 1;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

function pick<T>(items: readonly T[], random: number): T {
	return items[Math.min(items.length - 1, Math.floor(random * items.length))] as T;
}

/** `variant` changes the drawing but neither its colours nor its kind: the episodes of a series stay a family. */
export function design(title: string, variant?: string): PosterDesign {
	const next = generator(hash(title.toLowerCase()));
	const palette = pick(PALETTES, next());
	const motif = pick(MOTIFS, next());
	const longest = longestWord(title);
	const settings: Setting[] = longest <= 9 && title.length <= 18 ? [...SETTINGS] : ['serif', 'narrow', 'heavy'];
	const setting = pick(settings, next());
	const top = next() > 0.62;
	const throws = variant === undefined ? next : generator(hash(`${title.toLowerCase()}|${variant}`));
	return { palette, motif, setting, top, dice: Array.from({ length: 12 }, throws) };
}

/** Widths in em of a usual small and a usual large letter, with the spacing; as measured in the fonts. */
const WIDTH: Record<Setting, { small: number; large: number }> = {
	serif: { small: 0.58, large: 0.73 },
	narrow: { small: 0.56, large: 0.56 },
	heavy: { small: 0.59, large: 0.7 },
	spaced: { small: 0.86, large: 0.86 }
};
const LARGEST: Record<Setting, number> = { serif: 19, narrow: 20, heavy: 17.5, spaced: 11 };
const MEASURE = 79;
const MAX_LINES = 5;

/** Ideographs and full-width signs take a whole em; an M is wider than an i. */
function widthOf(text: string, setting: Setting): number {
	const { small, large } = WIDTH[setting];
	let width = 0;
	for (const sign of text) {
		if (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/.test(sign)) width += 1.02;
		else if (/[MWmw@%]/.test(sign)) width += (/[MW]/.test(sign) ? large : small) * 1.42;
		else if (/[iI.,:;'!|’]/.test(sign) || (small < large && /[jlft]/.test(sign))) width += small * 0.58;
		else width += /\p{Ll}/u.test(sign) ? small : large;
	}
	return width;
}

function longestWord(title: string): number {
	return Math.max(0, ...title.split(/[\s\-–—/]+/).map((word) => word.length));
}

/** The size of the title in hundredths of the poster's width, so that every word fits and at most five lines stand. */
export function titleSize(title: string, setting: Setting): { size: number; lines: number } {
	const words = title.split(/\s+/).filter(Boolean);
	const widest = Math.max(1, ...words.map((word) => Math.min(12, widthOf(word, setting))));
	let size = Math.min(LARGEST[setting], MEASURE / widest);
	while (size > 6.5 && lines(words, setting, size) > MAX_LINES) size -= 0.5;
	size = Math.round(Math.max(6.5, size) * 10) / 10;
	return { size, lines: lines(words, setting, size) };
}

function lines(words: string[], setting: Setting, size: number): number {
	let count = 1;
	let filled = 0;
	for (const word of words) {
		const width = widthOf(word, setting) * size;
		if (filled > 0 && filled + width + 0.28 * size > MEASURE) {
			count++;
			filled = 0;
		}
		filled += width + (filled > 0 ? 0.28 * size : 0);
	}
	return count;
}
