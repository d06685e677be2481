import { describe, expect, it } from 'vitest';
import { design, titleSize } from './poster';

describe('design', () => {
	it('is the same for the same title', () => {
		expect(design('The Long Night')).toEqual(design('the long night'));
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

describe('a variant', () => {
	it('keeps the family and changes the drawing', () => {
		const [one, other] = [design('Heimat', '1'), design('Heimat', '2')];
		expect(one.palette).toBe(other.palette);
		expect(one.motif).toBe(other.motif);
		expect(one.dice).not.toEqual(other.dice);
	});
});

describe('titleSize', () => {
	it('lets the longest word fit the width', () => {
		expect(titleSize('Cinema', 'serif').size).toBeGreaterThan(titleSize('Cinematographer', 'serif').size);
		expect(titleSize('Double Indemnity', 'narrow').size * 9 * 0.45).toBeLessThan(84);
	});

	it('gets smaller for many words', () => {
		const long = 'Dr. Strangelove or How I Learned to Stop Worrying and Love the Bomb';
		expect(titleSize(long, 'serif').size).toBeLessThan(titleSize('Dr. No', 'serif').size);
		expect(titleSize(long, 'serif').lines).toBeLessThanOrEqual(6);
	});

	it('counts ideographs as wide', () => {
		expect(titleSize('千と千尋の神隠し', 'serif').size).toBeLessThan(titleSize('abcdefgh', 'serif').size);
	});
});
