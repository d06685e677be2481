// Written by hand until the server prints its document; `npm run types` replaces it.
type Json<T> = { headers: { [name: string]: unknown }; content: { 'application/json': T } };
type Failure = Json<components['schemas']['ErrorEnvelope']>;
type None = 'none';
type Params<Path, Query> = Path extends 'none'
	? { query?: Query; header?: never; path?: never; cookie?: never }
	: { query?: Query; header?: never; path: Path; cookie?: never };
type Op<Path, Query, Body, Result> = {
	parameters: Params<Path, Query>;
	requestBody: { content: { 'application/json': Body } };
	responses: { 200: Json<Result>; 400: Failure; 401: Failure; 403: Failure; 404: Failure; 409: Failure; 422: Failure };
};
type Get<Path, Query, Result> = {
	parameters: Params<Path, Query>;
	requestBody?: never;
	responses: { 200: Json<Result>; 401: Failure; 404: Failure; 422: Failure };
};
type S = components['schemas'];
type Id = { id: number };
type TypeId = { type: 'movie' | 'episode'; id: number };
type Listing = {
	page?: number;
	per_page?: number;
	library_id?: number;
	search?: string;
	sort?: 'title' | 'year' | 'added_at' | 'duration';
	order?: 'asc' | 'desc';
	watched?: boolean;
	available?: boolean;
	year_from?: number;
	year_to?: number;
	genre?: string;
};
type PageOf<T> = { items: T[]; page: number; per_page: number; total_items: number; total_pages: number };

export interface paths {
	'/api/auth/login': { post: Op<None, never, { username: string; password: string }, S['SignedIn']> };
	'/api/auth/refresh': { post: Get<None, never, S['SignedIn']> };
	'/api/users/me': { get: Get<None, never, S['User']> };
	'/api/setup': {
		get: Get<None, never, { completed: boolean }>;
		post: Op<None, never, { code: string; username: string; password: string }, S['SignedIn']>;
	};
	'/api/system/version': { get: Get<None, never, S['Version']> };
	'/api/libraries': { get: Get<None, never, { items: S['Library'][] }> };
	'/api/libraries/scans': { get: Get<None, never, { items: S['ScanStatus'][] }> };
	'/api/libraries/{id}/scan': { get: Get<Id, never, S['ScanStatus']> };
	'/api/admin/libraries': { post: Op<None, never, S['NewLibrary'], S['Library']> };
	'/api/admin/libraries/{id}': {
		patch: Op<Id, never, Partial<S['NewLibrary']>, S['Library']>;
		delete: Get<Id, never, never>;
	};
	'/api/admin/libraries/{id}/scan': { post: Get<Id, never, S['ScanStatus']>; delete: Get<Id, never, never> };
	'/api/admin/filesystem/browse': { get: Get<None, { path?: string }, S['Directory']> };
	'/api/admin/filesystem/validate': { post: Op<None, never, { path: string }, S['PathCheck']> };
	'/api/movies': { get: Get<None, Listing, PageOf<S['MovieSummary']>> };
	'/api/movies/{id}': { get: Get<Id, never, S['Movie']> };
	'/api/movies/{id}/metadata': { put: Op<Id, never, S['MetadataPatch'], S['Movie']> };
	'/api/series': { get: Get<None, Listing, PageOf<S['SeriesSummary']>> };
	'/api/series/{id}': { get: Get<Id, never, S['Series']> };
	'/api/series/{id}/metadata': { put: Op<Id, never, S['MetadataPatch'], S['Series']> };
	'/api/episodes/{id}': { get: Get<Id, never, S['Episode']> };
	'/api/episodes/{id}/next': { get: Get<Id, never, { episode: S['EpisodeSummary'] | null }> };
	'/api/progress/all': {
		get: Get<None, { view?: 'resume'; page?: number; per_page?: number }, PageOf<S['ProgressItem']>>;
	};
	'/api/progress/{type}/{id}': {
		get: Get<TypeId, never, S['ViewerProgress']>;
		put: Op<TypeId, never, { position_ms: number; duration_ms?: number; completed?: boolean }, S['ViewerProgress']>;
		delete: Get<TypeId, never, never>;
	};
	'/api/progress/{type}/{id}/stop': { post: Op<TypeId, never, { position_ms: number }, S['ViewerProgress']> };
	'/api/playback/sessions': { post: Op<None, never, S['StartPlayback'], S['PlaybackSessionView']> };
	'/api/playback/{type}/{id}/heartbeat': { post: Op<TypeId, never, { position_ms?: number }, never> };
	'/api/playback/{type}/{id}/session': { delete: Get<TypeId, never, never> };
}

export interface components {
	schemas: {
		ErrorEnvelope: {
			error: { code: string; message: string; fields?: { field: string; message: string }[] | null };
		};
		User: { id: number; username: string; display_name: string | null; role: string; created_at: string };
		SignedIn: {
			token: string;
			expires_at: string;
			refresh_token: string;
			refresh_expires_at: string;
			user: S['User'];
		};
		Version: { version: string; commit: string | null; build_time: string | null };
		Library: {
			id: number;
			name: string;
			kind: 'film' | 'series' | 'mixed';
			paths: { id: number; path: string; available: boolean }[];
			options: { ignore_patterns: string[]; include_extras: boolean };
			movie_count: number;
			series_count: number;
			file_count: number;
			last_scanned_at: string | null;
			created_at: string;
		};
		NewLibrary: {
			name: string;
			kind: 'film' | 'series' | 'mixed';
			paths: string[];
			options?: { ignore_patterns?: string[]; include_extras?: boolean };
		};
		ScanStatus: {
			library_id: number;
			state: 'idle' | 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';
			phase: 'walking' | 'probing' | 'matching' | null;
			percent: number;
			files_found: number;
			files_new: number;
			files_done: number;
			files_failed: number;
			files_missing: number;
			started_at: string | null;
			finished_at: string | null;
			error: string | null;
		};
		Directory: {
			path: string;
			parent: string | null;
			directories: { name: string; path: string; readable: boolean }[];
		};
		PathCheck: {
			path: string;
			exists: boolean;
			is_directory: boolean;
			readable: boolean;
			message: string | null;
		};
		ViewerProgress: { position_ms: number; duration_ms: number; completed: boolean; updated_at: string };
		ProgressItem: {
			media_type: 'movie' | 'episode';
			media_id: number;
			kind: 'resume' | 'next_up';
			position_ms: number;
			duration_ms: number;
			completed: boolean;
			updated_at: string;
			title: string;
			subtitle: string | null;
			year: number | null;
			series_id: number | null;
			season_number: number | null;
			episode_number: number | null;
			poster_path: string | null;
		};
		VideoStreamView: {
			index: number;
			codec: string;
			profile: string | null;
			level: number | null;
			width: number;
			height: number;
			bit_depth: number | null;
			pixel_format: string | null;
			frame_rate: number | null;
			hdr: string;
			color_space: string | null;
			interlaced: boolean;
			rotation_degrees: number;
			bitrate_bps: number | null;
			language: string | null;
			title: string | null;
			is_default: boolean;
		};
		AudioStreamView: {
			index: number;
			codec: string;
			profile: string | null;
			channels: number;
			channel_layout: string | null;
			sample_rate_hz: number;
			bitrate_bps: number | null;
			language: string | null;
			title: string | null;
			is_default: boolean;
			is_forced: boolean;
			is_commentary: boolean;
		};
		SubtitleView: {
			index: number | null;
			format: string;
			is_text: boolean;
			language: string | null;
			title: string | null;
			is_default: boolean;
			is_forced: boolean;
			is_hearing_impaired: boolean;
		};
		ChapterView: { start_ms: number; end_ms: number; title: string | null };
		MediaFileView: {
			id: number;
			file_name: string;
			label: string;
			edition: string | null;
			part: number | null;
			state: string;
			probe_error: string | null;
			size_bytes: number;
			container: string | null;
			duration_ms: number | null;
			bitrate_bps: number | null;
			video: S['VideoStreamView'][];
			audio: S['AudioStreamView'][];
			subtitles: S['SubtitleView'][];
			chapters: S['ChapterView'][];
			added_at: string;
		};
		ExtraView: { file_id: number; kind: string; title: string; duration_ms: number | null };
		CreditView: { name: string; role: string; character: string | null };
		MovieSummary: {
			id: number;
			library_id: number;
			title: string;
			sort_title: string;
			year: number | null;
			duration_ms: number | null;
			max_height: number | null;
			hdr: string | null;
			available: boolean;
			poster_path: string | null;
			added_at: string;
			progress: S['ViewerProgress'] | null;
		};
		Movie: {
			id: number;
			library_id: number;
			title: string;
			original_title: string | null;
			sort_title: string;
			year: number | null;
			release_date: string | null;
			overview: string | null;
			tagline: string | null;
			content_rating: string | null;
			duration_ms: number | null;
			poster_path: string | null;
			available: boolean;
			genres: string[];
			credits: S['CreditView'][];
			files: S['MediaFileView'][];
			extras: S['ExtraView'][];
			locked_fields: string[];
			added_at: string;
			progress: S['ViewerProgress'] | null;
		};
		SeriesSummary: {
			id: number;
			library_id: number;
			title: string;
			sort_title: string;
			year: number | null;
			season_count: number;
			episode_count: number;
			watched_episodes: number;
			available: boolean;
			poster_path: string | null;
			added_at: string;
			latest_episode_added_at: string | null;
		};
		EpisodeSummary: {
			id: number;
			series_id: number;
			season_number: number;
			episode_number: number | null;
			last_episode_number: number | null;
			absolute_number: number | null;
			title: string;
			air_date: string | null;
			overview: string | null;
			duration_ms: number | null;
			max_height: number | null;
			available: boolean;
			still_path: string | null;
			added_at: string;
			progress: S['ViewerProgress'] | null;
		};
		SeasonView: {
			id: number;
			series_id: number;
			season_number: number;
			title: string;
			episode_count: number;
			watched_episodes: number;
			episodes: S['EpisodeSummary'][];
		};
		Series: {
			id: number;
			library_id: number;
			title: string;
			original_title: string | null;
			sort_title: string;
			year: number | null;
			overview: string | null;
			content_rating: string | null;
			poster_path: string | null;
			available: boolean;
			genres: string[];
			credits: S['CreditView'][];
			seasons: S['SeasonView'][];
			extras: S['ExtraView'][];
			next_episode: S['EpisodeSummary'] | null;
			locked_fields: string[];
			added_at: string;
		};
		Episode: {
			id: number;
			series: { id: number; title: string; year: number | null; poster_path: string | null };
			season: { id: number; season_number: number; title: string };
			season_number: number;
			episode_number: number | null;
			last_episode_number: number | null;
			absolute_number: number | null;
			title: string;
			air_date: string | null;
			overview: string | null;
			duration_ms: number | null;
			available: boolean;
			still_path: string | null;
			files: S['MediaFileView'][];
			added_at: string;
			progress: S['ViewerProgress'] | null;
		};
		MetadataPatch: {
			title?: string;
			original_title?: string | null;
			sort_title?: string;
			year?: number | null;
			overview?: string | null;
			tagline?: string | null;
			content_rating?: string | null;
			genres?: string[];
		};
		StreamDecision: {
			kind: string;
			stream_index: number | null;
			treatment: string;
			source_codec: string;
			target_codec: string | null;
			reasons: string[];
		};
		AudioChoice: {
			stream_index: number;
			label: string;
			language: string | null;
			codec: string;
			channels: number;
			selected: boolean;
			hls_name: string | null;
		};
		SubtitleChoice: {
			key: string;
			label: string;
			language: string | null;
			format: string;
			is_forced: boolean;
			is_hearing_impaired: boolean;
			is_default: boolean;
			selected: boolean;
			url: string | null;
		};
		QualityChoice: {
			profile: string;
			label: string;
			max_height: number | null;
			video_bitrate_bps: number | null;
			selected: boolean;
		};
		PlaybackSessionView: {
			id: number;
			media_type: string;
			media_id: number;
			file_id: number;
			mode: string;
			url: string;
			mime_type: string;
			duration_ms: number;
			start_position_ms: number;
			heartbeat_interval_s: number;
			decisions: S['StreamDecision'][];
			audio: S['AudioChoice'][];
			subtitles: S['SubtitleChoice'][];
			qualities: S['QualityChoice'][];
			created_at: string;
		};
		StartPlayback: {
			media_type: 'movie' | 'episode';
			media_id: number;
			file_id?: number;
			profile?: 'auto' | 'native' | '4k' | 'hd' | 'mobile' | 'sd' | '360p';
			audio_stream_index?: number;
			subtitle_key?: string;
			start_position_ms?: number;
			capabilities: S['Capabilities'];
			device: { name: string; client: string };
		};
		Capabilities: {
			containers: string[];
			video_codecs: {
				codec: string;
				max_width?: number;
				max_height?: number;
				max_bit_depth?: number;
				profiles?: string[];
			}[];
			audio_codecs: { codec: string; max_channels?: number }[];
			hdr: string[];
			hls: boolean;
			max_height?: number;
			max_bitrate_bps?: number;
		};
	};
}
