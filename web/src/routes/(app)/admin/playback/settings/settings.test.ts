import { describe, expect, it } from 'vitest';
import type { TranscodeSettings } from '$lib/api/types';
import { bitrates, changesOf, heights } from './settings';

const before: TranscodeSettings = { max_sessions: null, hardware: 'prefer', max_height: 1080, max_video_bitrate_bps: null, segment_length_s: 2, preset: 'veryfast', start_preset: 'ultrafast', hevc: false, av1: false };

describe('the settings', () => {
	it('send what was changed, and nothing taken away goes missing', () => {
		expect(changesOf(before, { ...before })).toEqual({});
		expect(changesOf(before, { ...before, max_height: null, hevc: true })).toEqual({ max_height: null, hevc: true });
	});

	it('offer the ceiling that is set, whatever it is', () => {
		expect(heights(null)[0]).toEqual([null, 'No ceiling']);
		expect(heights(1080).map(([value]) => value)).toEqual([null, 480, 720, 1080, 1440, 2160]);
		expect(heights(600)).toContainEqual([600, '600 lines']);
		expect(heights(600).map(([value]) => value)).toEqual([null, 480, 600, 720, 1080, 1440, 2160]);
		expect(bitrates(3_500_000)).toContainEqual([3_500_000, '3.5 Mb/s']);
	});
});
