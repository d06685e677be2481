import { describe, expect, it } from 'vitest';
import { ago, bytes, clock, count, episodeCode, resolution, runtime, seasonName, timeLeft } from './format';

describe('format', () => {
	it('says how long a film is', () => {
		expect(runtime(6_720_000)).toBe('1 h 52 min');
		expect(runtime(7_200_000)).toBe('2 h');
		expect(runtime(35_000)).toBe('35 s');
		expect(runtime(null)).toBe('');
	});

	it('writes positions as a clock', () => {
		expect(clock(3_723_000)).toBe('1:02:03');
		expect(clock(245_900)).toBe('4:05');
		expect(clock(-5)).toBe('0:00');
	});

	it('says what is left', () => {
		expect(timeLeft(1_000_000, 2_380_000)).toBe('23 min left');
		expect(timeLeft(10, 10)).toBe('');
	});

	it('names episodes', () => {
		expect(episodeCode({ season_number: 2, episode_number: 5 })).toBe('S2 E5');
		expect(episodeCode({ season_number: 2, episode_number: 5, last_episode_number: 6 })).toBe('S2 E5–6');
		expect(episodeCode({ season_number: 0, episode_number: 3 })).toBe('Special 3');
		expect(episodeCode({ season_number: 1, episode_number: null, absolute_number: 104 })).toBe('No. 104');
	});

	it('names seasons, sizes and resolutions', () => {
		expect(seasonName(0)).toBe('Specials');
		expect(bytes(1_480_000_000)).toBe('1.5 GB');
		expect(resolution(800, 1920)).toBe('1080p');
		expect(resolution(1608, 3840)).toBe('4K');
		expect(resolution(480, 720)).toBe('480p');
		expect(count(1, 'film')).toBe('1 film');
		expect(count(10_000, 'film')).toBe('10,000 films');
	});

	it('says how long ago', () => {
		const now = Date.parse('2026-01-10T12:00:00Z');
		expect(ago('2026-01-10T11:59:40Z', now)).toBe('just now');
		expect(ago('2026-01-10T09:00:00Z', now)).toBe('3 hours ago');
		expect(ago('2026-01-08T12:00:00Z', now)).toBe('2 days ago');
	});
});
