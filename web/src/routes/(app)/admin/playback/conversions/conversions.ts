import type { Moment, Transcode, TranscodeState } from '$lib/api/types';
import { bitrate, channels, clock, codec, container, resolution } from '$lib/format';

export type Ended = Exclude<TranscodeState, 'running'>;

export const STATES: Record<TranscodeState, string> = {
	running: 'Running',
	completed: 'Done',
	cancelled: 'Cancelled',
	failed: 'Failed',
	lost: 'Lost'
};

/** What deserves a second look. */
export const isBad = (state: TranscodeState): boolean => state === 'failed' || state === 'lost';

const KINDS: Record<string, string> = { video: 'Picture', audio: 'Sound', file: 'Download' };

/** What of a file is made: its picture, its sound, or all of it for somebody who downloads. */
export const kindOf = (run: Pick<Transcode, 'stream_kind'>): string => KINDS[run.stream_kind] ?? run.stream_kind;

interface Output {
	codec?: string;
	height?: number | null;
	width?: number | null;
	channels?: number | null;
	bitrate_bps?: number | null;
	container?: string;
	copied?: boolean;
	tone_mapped?: boolean;
	hdr?: boolean;
	deinterlaced?: boolean;
	subtitles_burnt_in?: boolean;
	normalized?: boolean;
	audio?: Output;
}

/** "H.264 720p 3.0 Mb/s, HDR brought down to SDR" */
export function outputOf(run: Pick<Transcode, 'output'>): string {
	const made = run.output as Output;
	return [container(made.container), streamOf(made), made.audio ? streamOf(made.audio) : '', ...extrasOf(made)].filter(Boolean).join(', ');
}

function streamOf(made: Output): string {
	if (!made.codec) return '';
	if (made.copied) return `${codec(made.codec)}, untouched`;
	return [codec(made.codec), resolution(made.height, made.width), made.channels ? channels(made.channels) : '', bitrate(made.bitrate_bps)].filter(Boolean).join(' ');
}

function extrasOf(made: Output): string[] {
	return [
		made.tone_mapped ? 'HDR brought down to SDR' : '',
		made.hdr ? 'in HDR' : '',
		made.deinterlaced ? 'deinterlaced' : '',
		made.subtitles_burnt_in ? 'subtitles painted in' : '',
		made.normalized ? 'loudness evened out' : ''
	].filter(Boolean);
}

interface Source {
	container?: string;
	bitrate_bps?: number | null;
	video?: { codec: string; width: number; height: number; bitrate_bps?: number | null; hdr?: string }[];
	audio?: { codec: string; channels: number }[];
}

/** "Matroska, HEVC 4K, DTS 5.1"; empty once the file is not known any more. */
export function sourceOf(source: Record<string, unknown> | null): string {
	if (!source) return '';
	const { container: kind, video, audio } = source as Source;
	const [picture] = video ?? [];
	const [sound] = audio ?? [];
	return [
		container(kind),
		picture ? `${codec(picture.codec)} ${resolution(picture.height, picture.width)}` : '',
		sound ? `${codec(sound.codec)} ${channels(sound.channels)}` : ''
	]
		.filter(Boolean)
		.join(', ');
}

/** 3.14159 → "3.1 ×"; how much faster than the film itself. */
export function speed(times: number | null): string {
	if (times === null) return '';
	return `${times.toLocaleString('en', { maximumFractionDigits: times < 10 ? 1 : 0 })} ×`;
}

/** "CPU · 2.4 × real time · at 12:40 · for 2 players" */
export function runLine(run: Pick<Transcode, 'kind' | 'pool_name' | 'speed' | 'position_s' | 'viewers' | 'username'>): string {
	return [
		run.pool_name ?? '',
		run.speed === null ? '' : `${speed(run.speed)} real time`,
		run.position_s === null ? '' : `at ${clock(run.position_s * 1000)}`,
		run.kind === 'download' ? (run.username ? `for ${run.username}` : '') : run.viewers > 1 ? `for ${run.viewers} players` : ''
	]
		.filter(Boolean)
		.join(' · ');
}

export interface Chart {
	/** The line, as the points of a polyline. */
	line: string;
	/** What is below it, as those of a polygon. */
	area: string;
	/** Where real time is: slower than this, players wait. */
	real_time_y: number;
	/** The speed at the top, a little above the greatest. */
	top: number;
	least: number;
	greatest: number;
	seconds: number;
}

/** The speed over the time of a run, in a box of that size; null for less than two moments. */
export function chartOf(moments: Moment[], width: number, height: number): Chart | null {
	const [first, last] = [moments[0], moments.at(-1)];
	if (!first || !last || last.elapsed_s <= first.elapsed_s) return null;
	const speeds = moments.map((moment) => moment.speed);
	const top = Math.max(...speeds, 1) * 1.1;
	const seconds = last.elapsed_s - first.elapsed_s;
	const y = (times: number) => round(height * (1 - times / top));
	const points = moments.map((moment) => `${round((width * (moment.elapsed_s - first.elapsed_s)) / seconds)},${y(moment.speed)}`);
	const line = points.join(' ');
	return { line, area: `0,${height} ${line} ${width},${height}`, real_time_y: y(1), top, least: Math.min(...speeds), greatest: Math.max(...speeds), seconds };
}

const round = (n: number): number => Math.round(n * 10) / 10;
