import { describe, expect, it } from 'vitest';
import type { Moment } from '$lib/api/types';
import { chartOf, outputOf, runLine, sourceOf, speed } from './conversions';

const moment = (elapsed_s: number, speed: number): Moment => ({ elapsed_s, speed, position_s: 0, bytes_made: 0 });

describe('what is made', () => {
	it('is told in the words of the app', () => {
		expect(outputOf({ output: { codec: 'h264', width: 1280, height: 720, frame_rate: 24, bitrate_bps: 3_000_000, tone_mapped: true, hdr: false, deinterlaced: false, subtitles_burnt_in: false } })).toBe('H.264 720p 3.0 Mb/s, HDR brought down to SDR');
		expect(outputOf({ output: { codec: 'aac', channels: 2, bitrate_bps: 192_000, normalized: false } })).toBe('AAC Stereo 192 kb/s');
		expect(outputOf({ output: { container: 'mp4', codec: 'h264', copied: true, width: 1280, height: 720, audio: { codec: 'aac', copied: false, channels: 6, bitrate_bps: 384_000 } } })).toBe('MP4, H.264, untouched, AAC 5.1 384 kb/s');
		expect(outputOf({ output: {} })).toBe('');
	});

	it('is made of something, as long as that is known', () => {
		expect(sourceOf({ container: 'matroska,webm', video: [{ codec: 'hevc', width: 3840, height: 2160 }], audio: [{ codec: 'dts', channels: 6 }] })).toBe('Matroska, HEVC 4K, DTS 5.1');
		expect(sourceOf(null)).toBe('');
	});
});

describe('a run', () => {
	const run = { kind: 'live' as const, pool_name: 'CPU', speed: 2.44, position_s: 760, viewers: 1, username: null };

	it('is told in one line', () => {
		expect(runLine(run)).toBe('CPU · 2.4 × real time · at 12:40');
		expect(runLine({ ...run, viewers: 2, pool_name: null })).toBe('2.4 × real time · at 12:40 · for 2 players');
		expect(runLine({ ...run, kind: 'download', username: 'ada', speed: null, position_s: null })).toBe('CPU · for ada');
	});

	it('is so fast', () => {
		expect([0.5, 12.6, 130, null].map(speed)).toEqual(['0.5 ×', '13 ×', '130 ×', '']);
	});
});

describe('the chart of a run', () => {
	it('goes from edge to edge, and shows where real time is', () => {
		const chart = chartOf([moment(2, 0.5), moment(4, 2), moment(12, 1)], 100, 50);
		expect(chart?.line.split(' ').map((point) => point.split(',').map(Number))).toEqual([
			[0, 38.6],
			[20, 4.5],
			[100, 27.3]
		]);
		expect(chart?.area).toBe(`0,50 ${chart?.line} 100,50`);
		expect(chart).toMatchObject({ real_time_y: 27.3, least: 0.5, greatest: 2, seconds: 10 });
	});

	it('keeps real time in sight of a slow one', () => {
		expect(chartOf([moment(0, 0.2), moment(2, 0.3)], 100, 50)?.real_time_y).toBeGreaterThan(0);
	});

	it('needs two moments', () => {
		expect(chartOf([], 100, 50)).toBeNull();
		expect(chartOf([moment(2, 1)], 100, 50)).toBeNull();
	});
});
