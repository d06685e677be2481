import type HlsClass from 'hls.js';
import type { ErrorData } from 'hls.js';
import { api, ok } from '$lib/api/client';
import { ApiError, asApiError } from '$lib/api/errors';
import type { MediaType, PlaybackSession, Preferences, Profile, StartPlayback, SubtitleChoice } from '$lib/api/types';
import { session as signedIn } from '$lib/auth/session.svelte';
import { capabilities, deviceName } from './capabilities';
import * as position from './position';
import { preferredAudio, preferredProfile, preferredSubtitles } from './preferences';

export interface Media {
	type: MediaType;
	id: number;
}

type Phase = 'idle' | 'starting' | 'ready' | 'blocked' | 'failed';

const SAVE_EVERY_MS = 10_000;
const SUBTITLE_PREFERENCE = 'odeion.subtitles';
const MAX_RECOVERIES = 4;

/** The end of one session must reach the server before the next begins: both are named by the same film. */
let farewell: Promise<unknown> = Promise.resolve();

/** What was chosen in the player counts no more: the settings do again. */
export const forgetSubtitleChoice = (): void => localStorage.removeItem(SUBTITLE_PREFERENCE);

/** One video element and what it plays: the session with the server, the tracks, the heartbeat and the progress. */
export class Player {
	phase = $state<Phase>('idle');
	problem = $state<string>('');
	session = $state.raw<PlaybackSession | null>(null);
	/** The chosen subtitles, or null for none. */
	subtitleKey = $state<string | null>(null);
	/** The chosen subtitles are painted into the picture, as they are styled. */
	burnsIn = $state(false);
	audioIndex = $state<number | null>(null);
	profile = $state<Profile>('auto');
	ended = $state(false);

	#video: HTMLVideoElement;
	#media: Media | null = null;
	#fileId: number | undefined;
	#remembers = true;
	#settings: Preferences;
	#hls: HlsClass | null = null;
	#tracks = new Map<string, HTMLTrackElement>();
	#begin_ms = 0;
	#saved_ms = -1;
	#generation = 0;
	#recoveries: number[] = [];
	#mediaErrors = 0;
	/** What this browser said it decodes broke off: the picture is to be converted. */
	#converts = false;
	#heart: ReturnType<typeof setInterval> | undefined;
	#saver: ReturnType<typeof setInterval> | undefined;
	#abort = new AbortController();

	constructor(video: HTMLVideoElement, settings: Preferences) {
		this.#video = video;
		this.#settings = settings;
		this.profile = preferredProfile(settings.quality);
		const on = (name: string, listener: () => void) => video.addEventListener(name, listener, { signal: this.#abort.signal });
		on('pause', () => void this.#save());
		on('seeked', () => this.#media && this.#remembers && position.note(this.#media.type, this.#media.id, this.position_ms));
		on('ended', () => {
			this.ended = true;
			void this.#save(true);
		});
		on('playing', () => {
			this.ended = false;
			if (this.phase !== 'failed') this.phase = 'ready';
		});
		on('error', () => this.#elementFailed());
		window.addEventListener('pagehide', () => this.#lastWords(), { signal: this.#abort.signal });
		document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && void this.#save(undefined, true), {
			signal: this.#abort.signal
		});
		this.#saver = setInterval(() => {
			if (!video.paused) void this.#save();
		}, SAVE_EVERY_MS);
	}

	/** Where the film is, or where it is about to begin while it is still loading. */
	get position_ms(): number {
		return this.#video.readyState > 0 && this.phase !== 'starting' ? Math.round(this.#video.currentTime * 1000) : this.#begin_ms;
	}

	get duration_ms(): number {
		return this.session?.duration_ms ?? 0;
	}

	async open(media: Media, options: { at_ms: number; file_id?: number | undefined; remembers: boolean }): Promise<void> {
		if (this.#media) await this.#leave();
		this.#media = media;
		this.#fileId = options.file_id;
		this.#remembers = options.remembers;
		this.#saved_ms = -1;
		this.audioIndex = null;
		this.subtitleKey = null;
		this.burnsIn = false;
		this.ended = false;
		this.#recoveries = [];
		this.#converts = false;
		await this.#start(options.at_ms);
	}

	/** Ends it all; the player cannot be used afterwards. */
	async close(): Promise<void> {
		this.#abort.abort();
		clearInterval(this.#saver);
		await this.#leave();
	}

	retry(): Promise<void> {
		this.#recoveries = [];
		return this.#start(this.position_ms);
	}

	async play(): Promise<void> {
		try {
			await this.#video.play();
		} catch (cause) {
			// The browser wants a gesture before it makes a sound: a large button asks for one.
			if (cause instanceof DOMException && cause.name === 'NotAllowedError') this.phase = 'blocked';
		}
	}

	chooseQuality(profile: Profile): Promise<void> {
		this.profile = profile;
		return this.#start(this.position_ms);
	}

	async chooseAudio(streamIndex: number): Promise<void> {
		if (streamIndex === this.audioIndex) return;
		this.audioIndex = streamIndex;
		const name = this.session?.audio.find((choice) => choice.stream_index === streamIndex)?.hls_name;
		const at = this.#hls && name ? this.#hls.audioTracks.findIndex((track) => track.name === name) : -1;
		if (this.#hls && at >= 0) {
			this.#hls.audioTrack = at;
			return;
		}
		if (name && !this.#hls && this.#chooseNativeAudio(name)) return;
		await this.#start(this.position_ms);
	}

	async chooseSubtitles(key: string | null, burnsIn = false): Promise<void> {
		const chosen = this.session?.subtitles.find((choice) => choice.key === key);
		const before = this.session?.subtitles.find((choice) => choice.key === this.subtitleKey);
		this.subtitleKey = key;
		this.burnsIn = burnsIn;
		localStorage.setItem(SUBTITLE_PREFERENCE, chosen ? (chosen.language ?? '') : 'off');
		// Subtitles that are pictures, or are to be seen as they are styled, are painted into the video by the server.
		if (burnsIn || (chosen && !chosen.url) || (before && !before.url)) await this.#start(this.position_ms);
		else this.#showSubtitles();
	}

	async #start(at_ms: number): Promise<void> {
		const media = this.#media;
		if (!media) return;
		const generation = ++this.#generation;
		this.phase = 'starting';
		this.problem = '';
		this.#begin_ms = Math.max(0, Math.round(at_ms));
		this.#detach();
		try {
			await farewell;
			const able = await capabilities();
			const body: StartPlayback = {
				media_type: media.type,
				media_id: media.id,
				profile: this.profile,
				start_position_ms: this.#begin_ms,
				capabilities: this.#converts ? { ...able, video_codecs: [] } : able,
				device: { name: deviceName(), client: 'Odeion Web' },
				...(this.#fileId ? { file_id: this.#fileId } : {}),
				...(this.audioIndex !== null ? { audio_stream_index: this.audioIndex } : {}),
				...(this.subtitleKey !== null ? { subtitle_key: this.subtitleKey, burn_in: this.burnsIn } : {})
			};
			const started = await ok(api.POST('/api/playback/sessions', { body }));
			if (generation !== this.#generation) return;
			const first = this.session === null || this.session.media_id !== media.id;
			this.session = started;
			const selected = started.audio.find((choice) => choice.selected) ?? started.audio[0] ?? null;
			const sound = first ? preferredAudio(started.audio, this.#settings.audio_languages) : selected;
			this.audioIndex = sound?.stream_index ?? null;
			if (first && this.subtitleKey === null) {
				const subtitles = this.#usualSubtitles(started.subtitles, sound?.language ?? null);
				this.subtitleKey = subtitles?.key ?? null;
				// What the file as it is cannot give needs another session: another sound, subtitles to be painted in.
				if ((sound !== selected && !sound?.hls_name) || (subtitles && !subtitles.url)) {
					await this.#start(at_ms);
					return;
				}
			}
			this.#beat(started.heartbeat_interval_s);
			await this.#attach(started, generation);
		} catch (cause) {
			if (generation === this.#generation) this.#fail(asApiError(cause).message);
		}
	}

	/** In the language that was chosen here last, or none if that was the choice; else what the settings say. */
	#usualSubtitles(choices: SubtitleChoice[], audioLanguage: string | null): SubtitleChoice | null {
		const chosen = localStorage.getItem(SUBTITLE_PREFERENCE);
		if (chosen === 'off') return null;
		if (chosen) return choices.find((choice) => choice.language === chosen && choice.url && !choice.is_forced) ?? null;
		return preferredSubtitles(choices, audioLanguage, this.#settings);
	}

	async #attach(started: PlaybackSession, generation: number): Promise<void> {
		const video = this.#video;
		const begin_s = this.#begin_ms / 1000;
		if (started.mode === 'direct_play') {
			this.#addTracks(started.subtitles);
			this.#playFile(started.url, begin_s);
			return;
		}
		const { default: Hls } = await import('hls.js');
		if (generation !== this.#generation) return;
		if (!Hls.isSupported()) {
			this.#playFile(started.url, begin_s);
			video.addEventListener('loadedmetadata', () => this.#showSubtitles(), { once: true });
			return;
		}
		const hls = new Hls({
			startPosition: begin_s,
			backBufferLength: 60,
			maxBufferLength: 30,
			enableWorker: true,
			// Begin with the best the server offers, not with what a slow connection would bear; going down comes by itself.
			abrEwmaDefaultEstimate: 50_000_000,
			abrEwmaDefaultEstimateMax: 50_000_000,
			// Each text is one document for the whole film: a track element shows it, with a policy that forbids data addresses.
			renderTextTracksNatively: false,
			// A conversion may need a while for its first segment.
			fragLoadPolicy: {
				default: {
					maxTimeToFirstByteMs: 30_000,
					maxLoadTimeMs: 120_000,
					timeoutRetry: { maxNumRetry: 3, retryDelayMs: 500, maxRetryDelayMs: 4000 },
					errorRetry: { maxNumRetry: 4, retryDelayMs: 800, maxRetryDelayMs: 8000 }
				}
			}
		});
		this.#hls = hls;
		this.#mediaErrors = 0;
		hls.on(Hls.Events.MANIFEST_PARSED, () => {
			if (this.#hls !== hls) return;
			this.#startPlaying();
		});
		hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => {
			const name = started.audio.find((choice) => choice.stream_index === this.audioIndex)?.hls_name;
			const at = hls.audioTracks.findIndex((track) => track.name === name);
			if (at >= 0 && hls.audioTrack !== at) hls.audioTrack = at;
		});
		hls.on(Hls.Events.ERROR, (_, data) => this.#hlsFailed(Hls, hls, data));
		hls.loadSource(started.url);
		hls.attachMedia(video);
		this.#addTracks(started.subtitles);
		this.#showSubtitles();
	}

	#playFile(url: string, begin_s: number): void {
		const video = this.#video;
		video.addEventListener(
			'loadedmetadata',
			() => {
				if (begin_s > 0) video.currentTime = begin_s;
				this.#startPlaying();
			},
			{ once: true }
		);
		video.src = url;
		this.#showSubtitles();
	}

	#startPlaying(): void {
		this.phase = 'ready';
		void this.play();
	}

	#addTracks(choices: SubtitleChoice[]): void {
		for (const choice of choices) this.#addTrack(choice);
	}

	#addTrack(choice: SubtitleChoice): HTMLTrackElement | null {
		if (!choice.url) return null;
		const track = document.createElement('track');
		track.kind = choice.is_hearing_impaired ? 'captions' : 'subtitles';
		track.label = choice.label;
		if (choice.language) track.srclang = choice.language;
		track.src = choice.url;
		this.#video.append(track);
		this.#tracks.set(choice.key, track);
		return track;
	}

	#showSubtitles(): void {
		const chosen = this.session?.subtitles.find((choice) => choice.key === this.subtitleKey);
		for (const [key, element] of this.#tracks) element.track.mode = key === chosen?.key ? 'showing' : 'disabled';
		if (this.#tracks.size === 0) {
			// The browser plays HLS by itself and made the tracks.
			for (const track of this.#video.textTracks) track.mode = chosen && track.label === chosen.label ? 'showing' : 'disabled';
		}
	}

	#chooseNativeAudio(name: string): boolean {
		type NativeTracks = ArrayLike<{ label: string; enabled: boolean }>;
		const tracks = (this.#video as HTMLVideoElement & { audioTracks?: NativeTracks }).audioTracks;
		if (!tracks) return false;
		const all = Array.from(tracks);
		if (!all.some((track) => track.label === name)) return false;
		for (const track of all) track.enabled = track.label === name;
		return true;
	}

	#dropTracks(): void {
		for (const element of this.#tracks.values()) element.remove();
		this.#tracks.clear();
	}

	#detach(): void {
		this.#hls?.destroy();
		this.#hls = null;
		this.#dropTracks();
		clearInterval(this.#heart);
		if (this.#video.hasAttribute('src')) {
			this.#video.removeAttribute('src');
			this.#video.load();
		}
	}

	#beat(every_s: number): void {
		clearInterval(this.#heart);
		this.#heart = setInterval(() => void this.#heartbeat(), Math.max(2, every_s) * 1000);
	}

	async #heartbeat(): Promise<void> {
		const media = this.#media;
		if (!media || this.phase === 'failed') return;
		const generation = this.#generation;
		try {
			await ok(api.POST('/api/playback/{type}/{id}/heartbeat', { params: { path: media }, body: { position_ms: this.position_ms } }));
		} catch (cause) {
			if (generation !== this.#generation) return;
			if (cause instanceof ApiError && (cause.status === 410 || cause.status === 404)) this.#recover();
		}
	}

	/** Begins anew where the film is: the server forgot the session, or a conversion broke off. */
	#recover(): void {
		const now = Date.now();
		this.#recoveries = this.#recoveries.filter((at) => now - at < 60_000);
		if (this.#recoveries.length >= MAX_RECOVERIES) {
			this.#fail('The film broke off again and again. The server may be busy, or the file damaged.');
			return;
		}
		this.#recoveries.push(now);
		void this.#start(this.position_ms);
	}

	#hlsFailed(Hls: typeof HlsClass, hls: HlsClass, data: ErrorData): void {
		if (this.#hls !== hls || !data.fatal) return;
		if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mediaErrors++ < 2) {
			hls.recoverMediaError();
			return;
		}
		if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.session?.mode === 'remux') this.#converts = true;
		this.#recover();
	}

	#elementFailed(): void {
		if (!this.session || !this.#video.error || !(this.#hls || this.#video.hasAttribute('src'))) return;
		const code = this.#video.error.code;
		const unplayable = code === MediaError.MEDIA_ERR_DECODE || code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
		// What the browser said it could play it could not: let the server convert it. (Or it breaks off in open groups of
		// pictures the server has not known of; it may by now, so it is asked once more first.)
		if (unplayable && this.session.mode !== 'transcode' && this.#recoveries.length > 0) this.#converts = true;
		this.#recover();
	}

	#fail(message: string): void {
		this.#detach();
		this.phase = 'failed';
		this.problem = message;
	}

	async #save(completed?: boolean, keepalive = false): Promise<void> {
		const media = this.#media;
		const position_ms = this.position_ms;
		if (!media || !this.#remembers || !this.session || (this.phase !== 'ready' && this.phase !== 'blocked') || this.#video.readyState === 0) return;
		if (this.#video.seeking && !completed) return;
		position.note(media.type, media.id, completed ? 0 : position_ms);
		if (!completed && Math.abs(position_ms - this.#saved_ms) < 1000) return;
		this.#saved_ms = position_ms;
		const duration_ms = this.duration_ms || undefined;
		const body = { position_ms: duration_ms ? Math.min(position_ms, duration_ms) : position_ms, duration_ms, ...(completed ? { completed } : {}) };
		try {
			await ok(api.PUT('/api/progress/{type}/{id}', { params: { path: media }, body, keepalive }));
		} catch {
			this.#saved_ms = -1;
		}
	}

	/** The page is going away: no time for anything but one message. */
	#lastWords(): void {
		const media = this.#media;
		if (!media || !this.#remembers || !this.session || this.#video.readyState === 0 || this.phase === 'starting') return;
		position.note(media.type, media.id, this.ended ? 0 : this.position_ms);
		if (this.ended) return;
		const token = signedIn.tokenNow;
		void fetch(`/api/progress/${media.type}/${media.id}/stop`, {
			method: 'POST',
			keepalive: true,
			headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) },
			body: JSON.stringify({ position_ms: this.position_ms })
		}).catch(() => {});
	}

	async #leave(): Promise<void> {
		const media = this.#media;
		const at_ms = this.position_ms;
		const started = this.session !== null;
		const remembers = this.#remembers;
		const shown = this.#video.readyState > 0 && this.phase !== 'starting' && this.phase !== 'failed';
		const over = this.ended;
		this.#media = null;
		this.#generation++;
		this.#detach();
		this.session = null;
		this.phase = 'idle';
		if (!media || !started) return;
		if (remembers) position.forget(media.type, media.id);
		const path = media;
		farewell = (async () => {
			if (shown && remembers && !over) await ok(api.POST('/api/progress/{type}/{id}/stop', { params: { path }, body: { position_ms: at_ms } }));
			await ok(api.DELETE('/api/playback/{type}/{id}/session', { params: { path } }));
		})().catch(() => {});
		await farewell;
	}
}
