import { describe, expect, it } from 'vitest';
import type { DeviceForecast } from '$lib/api/types';
import { jobOf, sharesOf, summaryOf, wayName } from './forecast';

const device = (changes: Partial<DeviceForecast>): DeviceForecast => ({ device: 'chrome', label: 'Chrome', file_count: 20, direct_play: 12, remux: 5, transcode: 3, unplayable: 0, groups: [], ...changes });

describe('a device', () => {
	it('has shares that make up the whole', () => {
		const shares = sharesOf(device({}));
		expect(shares.map(({ name, files }) => `${files} ${name}`)).toEqual(['12 Played as it is', '5 Repackaged', '3 Converted']);
		expect(shares.reduce((sum, { percent }) => sum + percent, 0)).toBeCloseTo(100);
		expect(sharesOf(device({ file_count: 0, direct_play: 0, remux: 0, transcode: 0 }))).toEqual([]);
	});

	it('is summed up', () => {
		expect(summaryOf(device({}))).toBe('12 of 20 files play as they are');
		expect(summaryOf(device({ direct_play: 1 }))).toBe('1 of 20 files plays as it is');
		expect(summaryOf(device({ direct_play: 0 }))).toBe('0 of 20 files play as they are');
		expect(summaryOf(device({ direct_play: 20 }))).toBe('All 20 files play as they are');
		expect(summaryOf(device({ direct_play: 1, file_count: 1 }))).toBe('The one file plays as it is');
	});
});

describe('a group', () => {
	it('says how it is played', () => {
		expect(wayName('remux')).toBe('Repackaged');
		expect(wayName(null)).toBe('Not playable');
	});

	it('names the job that would help', () => {
		expect(jobOf([{ kind: 'container', source: 'matroska', target: 'mp4' }])).toBe('Repackage Matroska as MP4.');
		expect(
			jobOf([
				{ kind: 'container', source: 'matroska', target: 'mp4' },
				{ kind: 'sound', source: 'dts', target: 'aac' },
				{ kind: 'picture', source: 'h264', target: 'h264' }
			])
		).toBe('Repackage Matroska as MP4, convert the sound from DTS to AAC, and convert the picture, H.264 as before.');
		expect(jobOf([])).toBe('');
	});
});
