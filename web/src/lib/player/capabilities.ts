import type { Capabilities } from '$lib/api/types';

type VideoName = 'h264' | 'hevc' | 'av1' | 'vp9' | 'vp8';

interface VideoProbe {
	codec: VideoName;
	container: string;
	eight: string;
	ten: string | null;
}

const VIDEO: VideoProbe[] = [
	{ codec: 'h264', container: 'video/mp4', eight: 'avc1.640028', ten: 'avc1.6E0028' },
	{ codec: 'hevc', container: 'video/mp4', eight: 'hvc1.1.6.L120.90', ten: 'hvc1.2.4.L120.90' },
	{ codec: 'av1', container: 'video/mp4', eight: 'av01.0.08M.08', ten: 'av01.0.08M.10' },
	{ codec: 'vp9', container: 'video/webm', eight: 'vp09.00.40.08', ten: 'vp09.02.40.10' },
	{ codec: 'vp8', container: 'video/webm', eight: 'vp8', ten: null }
];

const AUDIO: { codec: string; type: string }[] = [
	{ codec: 'aac', type: 'audio/mp4; codecs="mp4a.40.2"' },
	{ codec: 'mp3', type: 'audio/mp4; codecs="mp4a.6B"' },
	{ codec: 'opus', type: 'audio/mp4; codecs="opus"' },
	{ codec: 'flac', type: 'audio/mp4; codecs="flac"' },
	{ codec: 'vorbis', type: 'audio/webm; codecs="vorbis"' },
	{ codec: 'ac3', type: 'audio/mp4; codecs="ac-3"' },
	{ codec: 'eac3', type: 'audio/mp4; codecs="ec-3"' }
];

const CONTAINERS: { name: string; type: string }[] = [
	{ name: 'mp4', type: 'video/mp4; codecs="avc1.640028, mp4a.40.2"' },
	{ name: 'webm', type: 'video/webm; codecs="vp9, opus"' },
	{ name: 'mov', type: 'video/quicktime' },
	{ name: 'matroska', type: 'video/x-matroska; codecs="avc1.640028, mp4a.40.2"' },
	{ name: 'mp3', type: 'audio/mpeg' },
	{ name: 'flac', type: 'audio/flac' },
	{ name: 'ogg', type: 'audio/ogg; codecs="vorbis"' }
];

/** The sizes asked for, from the largest. */
const SIZES = [
	{ width: 7680, height: 4320, bitrate: 60_000_000 },
	{ width: 3840, height: 2160, bitrate: 25_000_000 },
	{ width: 2560, height: 1440, bitrate: 14_000_000 },
	{ width: 1920, height: 1080, bitrate: 10_000_000 },
	{ width: 1280, height: 720, bitrate: 5_000_000 }
] as const;

/** What a browser can be asked; a test gives its own. */
export interface Browser {
	plays(type: string): boolean;
	/** Whether it plays in segments put together by Media Source Extensions, where the browser has these. */
	joins(type: string): boolean;
	decodes(type: string, size: (typeof SIZES)[number]): Promise<boolean | null>;
	isHdrScreen(): boolean;
	hls(): boolean;
	/** Whether it can begin in an open group of pictures of H.264. */
	opensGroups(): boolean;
}

/** What this browser really plays, asked codec by codec and size by size. */
export async function measure(browser: Browser): Promise<Capabilities> {
	const video = await Promise.all(
		VIDEO.filter(({ container, eight }) => browser.plays(`${container}; codecs="${eight}"`)).map(async (probe) => {
			const type = `${probe.container}; codecs="${probe.eight}"`;
			let limit: (typeof SIZES)[number] | null = null;
			for (const size of SIZES) {
				const decodes = await browser.decodes(type, size);
				// Who cannot be asked about sizes is not held to any.
				if (decodes === null) break;
				if (decodes) {
					limit = size;
					break;
				}
			}
			const ten = probe.ten !== null && browser.plays(`${probe.container}; codecs="${probe.ten}"`);
			return {
				codec: probe.codec,
				max_bit_depth: ten ? 10 : 8,
				...(limit ? { max_width: limit.width, max_height: limit.height } : {})
			};
		})
	);
	const deep = video.some((one) => one.max_bit_depth >= 10 && one.codec !== 'h264');
	const hdr = browser.isHdrScreen() && deep ? ['hdr10', 'hlg'] : [];
	if (browser.isHdrScreen() && browser.plays('video/mp4; codecs="dvh1.05.06"')) hdr.push('dolby_vision');
	return {
		containers: CONTAINERS.filter(({ type }) => browser.plays(type)).map(({ name }) => name),
		video_codecs: video,
		audio_codecs: AUDIO.filter(({ type }) => browser.plays(type)).map(({ codec, type }) => ({
			codec,
			max_channels: codec === 'mp3' ? 2 : 8,
			segments: browser.joins(type)
		})),
		hdr,
		hls: browser.hls(),
		open_groups: browser.opensGroups()
	} as Capabilities;
}

export function thisBrowser(): Browser {
	const element = document.createElement('video');
	const source = globalThis.MediaSource ?? (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
	const plays = (type: string) => element.canPlayType(type) !== '' || (source?.isTypeSupported(type) ?? false);
	return {
		plays,
		joins: (type) => source?.isTypeSupported(type) ?? true,
		async decodes(type, { width, height, bitrate }) {
			if (!navigator.mediaCapabilities) return null;
			try {
				const info = await navigator.mediaCapabilities.decodingInfo({
					type: 'file',
					video: { contentType: type, width, height, bitrate, framerate: 24 }
				});
				return info.supported && info.smooth;
			} catch {
				return null;
			}
		},
		isHdrScreen: () => matchMedia('(dynamic-range: high), (video-dynamic-range: high)').matches,
		// Chromium's decoder takes a reference to what was before for damage, and stops; there is nothing to ask it by.
		opensGroups: () => !/\bChrom(e|ium)\//.test(navigator.userAgent),
		hls: () => source !== undefined || element.canPlayType('application/vnd.apple.mpegurl') !== ''
	};
}

let measured: Promise<Capabilities> | undefined;

export function capabilities(): Promise<Capabilities> {
	measured ??= measure(thisBrowser());
	return measured;
}

/** "Chrome on Linux": a name somebody recognises in a list of players. */
export function deviceName(agent: string = navigator.userAgent): string {
	const browser =
		/Edg\//.test(agent) ? 'Edge'
		: /OPR\//.test(agent) ? 'Opera'
		: /Firefox\//.test(agent) ? 'Firefox'
		: /Chrome\//.test(agent) ? 'Chrome'
		: /Safari\//.test(agent) ? 'Safari'
		: 'Browser';
	const system =
		/iPhone/.test(agent) ? 'iPhone'
		: /iPad/.test(agent) ? 'iPad'
		: /Android/.test(agent) ? 'Android'
		: /Web0S|webOS/.test(agent) ? 'webOS TV'
		: /Tizen/.test(agent) ? 'Tizen TV'
		: /Windows/.test(agent) ? 'Windows'
		: /Mac OS X/.test(agent) ? 'Mac'
		: /CrOS/.test(agent) ? 'ChromeOS'
		: /Linux/.test(agent) ? 'Linux'
		: '';
	return system ? `${browser} on ${system}` : browser;
}
