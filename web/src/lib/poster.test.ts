import { describe, expect, it } from 'vitest';
import { design, titleSize } from './poster';

describe('design', () => {
	it('is the same for the same title', () => {
		expect(design('The Long Night', 1999)).toEqual(design('The Long Night', 1999));
	});

	it('spreads titles over many looks', () => {
		const looks = new Set(
			Array.from({ length: 200 }, (_, i) => {
				const { palette, motif, setting } = design(`Film ${i}`);
				return `${palette.deep}${motif}${setting}`;
			})
		);
		expect(looks.size).toBeGreaterThan(100);
	});

	it('keeps long words out of the widest setting', () => {
		for (let i = 0; i < 100; i++) expect(design(`Incomprehensibilities ${i}`).setting).not.toBe('spaced');
	});
});

describe('titleSize', () => {
	it('lets the longest word fit the width', () => {
		expect(titleSize('Antidisestablishment', 'heavy') * 14 * 0.61).toBeGreaterThan(0);
		expect(titleSize('Cinema', 'serif')).toBeGreaterThan(titleSize('Cinematographer', 'serif'));
	});

	it('gets smaller for many words', () => {
		const long = 'Dr. Strangelove or How I Learned to Stop Worrying and Love the Bomb';
		expect(titleSize(long, 'serif')).toBeLessThan(titleSize('Dr. No', 'serif'));
	});

	it('counts ideographs as wide', () => {
		expect(titleSize('千と千尋の神隠し', 'serif')).toBeLessThan(titleSize('abcdefgh', 'serif'));
	});
});
