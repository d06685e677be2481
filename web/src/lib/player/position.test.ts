import { describe, expect, it } from 'vitest';
import { startAt } from './position';

const saved = { position_ms: 60_000, duration_ms: 100_000, completed: false, updated_at: '2026-01-01T00:00:00Z' };

describe('startAt', () => {
	it('does as the address asks', () => {
		expect(startAt('0', saved, { ms: 5, at: Date.now() })).toBe(0);
		expect(startAt('90', null, null)).toBe(90_000);
		expect(startAt('evil', saved, null)).toBe(60_000);
	});

	it('takes the newer memory', () => {
		expect(startAt(null, saved, { ms: 75_000, at: Date.parse('2026-01-01T00:00:05Z') })).toBe(75_000);
		expect(startAt(null, saved, { ms: 75_000, at: Date.parse('2025-12-31T00:00:00Z') })).toBe(60_000);
		expect(startAt(null, null, null)).toBe(0);
	});
});
