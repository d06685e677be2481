import { describe, expect, it } from 'vitest';
import type { SecurityEvent } from '$lib/api/types';
import { between, detailsOf, doneBy } from './trail';

const event = (changes: Partial<SecurityEvent>): SecurityEvent => ({
	id: 1,
	at: '2026-03-01T12:00:00Z',
	kind: 'role_changed',
	user_id: 2,
	username: 'theo',
	actor_id: 1,
	actor_username: 'ada',
	address: '127.0.0.1',
	user_agent: null,
	details: {},
	...changes
});

describe('an entry of the trail', () => {
	it('names who did it, if that is another', () => {
		expect(doneBy(event({}))).toBe('by ada');
		expect(doneBy(event({ actor_id: 2 }))).toBe('');
		expect(doneBy(event({ actor_id: null }))).toBe('');
		expect(doneBy(event({ actor_username: null }))).toBe('by somebody who is gone');
	});

	it('tells its details in words', () => {
		expect(detailsOf(event({ details: { from: 'viewer', max_streams: 2, removed: [], enabled: ['home', 'github'], way: 'password', device: null } as never }))).toEqual([
			'from viewer',
			'max streams 2',
			'enabled home, github',
			'with password'
		]);
	});
});

describe('two days', () => {
	it('are both included, to the hour of this place', () => {
		const { since, until } = between('2026-03-01', '2026-03-01');
		expect(Date.parse(until ?? '') - Date.parse(since ?? '')).toBe(24 * 3600_000);
		expect(new Date(since ?? '').getHours()).toBe(0);
	});

	it('may be one, or none', () => {
		expect(between('', '')).toEqual({});
		expect(between('2026-13-77', 'soon')).toEqual({});
		expect(Object.keys(between('2026-03-01', ''))).toEqual(['since']);
	});
});
