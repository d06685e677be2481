import type { MediaFile } from '$lib/api/types';

/** "1 h 52 min", "48 min", "35 s" */
export function runtime(ms: number | null | undefined): string {
	if (!ms || ms < 0) return '';
	const seconds = Math.round(ms / 1000);
	if (seconds < 60) return `${seconds} s`;
	const minutes = Math.round(seconds / 60);
	if (minutes < 60) return `${minutes} min`;
	const rest = minutes % 60;
	return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${minutes / 60} h`;
}

/** "1:02:03" or "4:05" */
export function clock(ms: number): string {
	const seconds = Math.max(0, Math.floor(ms / 1000));
	const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
	const two = (n: number) => String(n).padStart(2, '0');
	return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function fraction(position_ms: number, duration_ms: number | null | undefined): number {
	if (!duration_ms || duration_ms <= 0) return 0;
	return Math.min(1, Math.max(0, position_ms / duration_ms));
}

export function timeLeft(position_ms: number, duration_ms: number): string {
	const left = duration_ms - position_ms;
	return left > 0 ? `${runtime(left)} left` : '';
}

/** When a film begun now would be over: "ends at 22:40". */
export function endsAt(left_ms: number, now: Date = new Date()): string {
	const end = new Date(now.getTime() + left_ms);
	return `ends at ${end.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`;
}

export function bytes(size: number): string {
	const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
	let value = size;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function bitrate(bps: number | null | undefined): string {
	if (!bps) return '';
	return bps >= 1_000_000 ? `${(bps / 1_000_000).toFixed(bps >= 10_000_000 ? 0 : 1)} Mb/s` : `${Math.round(bps / 1000)} kb/s`;
}

export function count(n: number, one: string, many = `${one}s`): string {
	return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** 2160 → "4K", 1080 → "1080p" */
export function resolution(height: number | null | undefined, width?: number | null): string {
	if (!height) return '';
	if (height > 1600 || (width ?? 0) > 3000) return '4K';
	if (height > 1100 || (width ?? 0) > 2100) return '1440p';
	if (height > 800 || (width ?? 0) > 1500) return '1080p';
	if (height > 580 || (width ?? 0) > 1100) return '720p';
	return `${height}p`;
}

const HDR: Record<string, string> = { hdr10: 'HDR10', hdr10_plus: 'HDR10+', hlg: 'HLG', dolby_vision: 'Dolby Vision' };

export function hdr(name: string | null | undefined): string {
	return HDR[name ?? ''] ?? '';
}

const CODECS: Record<string, string> = {
	h264: 'H.264',
	avc: 'H.264',
	hevc: 'HEVC',
	h265: 'HEVC',
	av1: 'AV1',
	vp8: 'VP8',
	vp9: 'VP9',
	mpeg2video: 'MPEG-2',
	mpeg4: 'MPEG-4',
	vc1: 'VC-1',
	aac: 'AAC',
	ac3: 'Dolby Digital',
	eac3: 'Dolby Digital+',
	truehd: 'Dolby TrueHD',
	dts: 'DTS',
	flac: 'FLAC',
	opus: 'Opus',
	vorbis: 'Vorbis',
	mp3: 'MP3',
	subrip: 'SRT',
	srt: 'SRT',
	ass: 'ASS',
	ssa: 'SSA',
	webvtt: 'WebVTT',
	mov_text: 'Text',
	hdmv_pgs_subtitle: 'PGS',
	pgs: 'PGS',
	dvd_subtitle: 'DVD',
	dvb_subtitle: 'DVB'
};

export function codec(name: string | null | undefined): string {
	if (!name) return '';
	return CODECS[name.toLowerCase()] ?? name.toUpperCase().replaceAll('_', ' ');
}

export function channels(n: number): string {
	return { 1: 'Mono', 2: 'Stereo', 3: '2.1', 6: '5.1', 7: '6.1', 8: '7.1' }[n] ?? `${n} channels`;
}

const CONTAINERS: Record<string, string> = {
	mp4: 'MP4',
	matroska: 'Matroska',
	mkv: 'Matroska',
	webm: 'WebM',
	mov: 'QuickTime',
	avi: 'AVI',
	mpegts: 'MPEG-TS'
};

export function container(name: string | null | undefined): string {
	if (!name) return '';
	const names = name.split(',');
	return CONTAINERS[names.find((one) => one === 'mp4') ?? names[0] ?? ''] ?? name.toUpperCase();
}

export function language(tag: string | null | undefined): string {
	if (!tag || tag === 'und') return '';
	try {
		return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag;
	} catch {
		return tag;
	}
}

/** "S2 E5", "S2 E5–6", "Special 3", "No. 104" */
export function episodeCode(e: {
	season_number: number | null;
	episode_number: number | null;
	last_episode_number?: number | null;
	absolute_number?: number | null;
}): string {
	if (e.episode_number === null) return e.absolute_number ? `No. ${e.absolute_number}` : '';
	const range =
		e.last_episode_number && e.last_episode_number !== e.episode_number
			? `${e.episode_number}–${e.last_episode_number}`
			: `${e.episode_number}`;
	return e.season_number === 0 ? `Special ${range}` : `S${e.season_number} E${range}`;
}

export function seasonName(n: number, title?: string | null): string {
	if (title) return title;
	return n === 0 ? 'Specials' : `Season ${n}`;
}

export function day(date: string | null | undefined): string {
	if (!date) return '';
	const parsed = new Date(date.length === 10 ? `${date}T12:00:00` : date);
	return Number.isNaN(parsed.getTime())
		? ''
		: parsed.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
}

/** "1 March 2026 at 13:05:09" */
export function moment(date: string): string {
	return new Date(date).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'medium' });
}

export function ago(date: string | null | undefined, now: number = Date.now()): string {
	if (!date) return '';
	const seconds = Math.round((Date.parse(date) - now) / 1000);
	const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
	const steps: [number, Intl.RelativeTimeFormatUnit][] = [
		[60, 'second'],
		[60, 'minute'],
		[24, 'hour'],
		[30, 'day'],
		[12, 'month'],
		[Infinity, 'year']
	];
	let value = seconds;
	for (const [size, unit] of steps) {
		if (Math.abs(value) < size) return unit === 'second' ? 'just now' : format.format(Math.round(value), unit);
		value /= size;
	}
	return '';
}

const EXTRA_KINDS: Record<string, string> = {
	trailer: 'Trailer',
	featurette: 'Featurette',
	deleted_scene: 'Deleted scene',
	behind_the_scenes: 'Behind the scenes',
	interview: 'Interview',
	scene: 'Scene',
	short: 'Short',
	sample: 'Sample'
};

export function extraKind(kind: string): string {
	return EXTRA_KINDS[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll('_', ' ');
}

/** The few words that say what a file is: "4K", "HDR10", "HEVC", "5.1". */
export function fileChips(file: MediaFile): string[] {
	const video = file.video[0];
	const audio = file.audio.find((track) => track.is_default) ?? file.audio[0];
	return [
		resolution(video?.height, video?.width),
		hdr(video?.hdr),
		codec(video?.codec),
		audio ? `${codec(audio.codec)} ${channels(audio.channels)}` : ''
	].filter(Boolean);
}
