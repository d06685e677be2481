import { api, ok } from '$lib/api/client';
import type { MediaType, Preferences } from '$lib/api/types';
import { requireSession } from '$lib/auth/guard';
import { episodeCode } from '$lib/format';
import { idOf, orErrorPage } from '$lib/load';
import { noted, startAt } from '$lib/player/position';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, url }) => {
	await requireSession(url);
	const id = idOf(params.id);
	const type = params.type as MediaType;
	const path = { id };
	const asked = (name: string) => {
		const value = url.searchParams.get(name);
		return value && /^\d{1,18}$/.test(value) ? Number(value) : undefined;
	};
	const settings = (await orErrorPage(ok(api.GET('/api/settings')))) as Preferences;
	const common = { type, id, file_id: asked('file'), remembers: true, settings };
	const from = url.searchParams.get('from');
	if (type === 'movie') {
		const movie = await orErrorPage(ok(api.GET('/api/movies/{id}', { params: { path } })));
		const extra = movie.extras.find((one) => one.file_id === asked('extra'));
		if (extra) {
			// A trailer says nothing about how far somebody is with the film.
			return { ...common, file_id: extra.file_id, remembers: false, title: extra.title, line: movie.title, at_ms: 0, home: `/film/${id}`, upcoming: null };
		}
		return {
			...common,
			title: movie.title,
			line: movie.year ? String(movie.year) : '',
			at_ms: startAt(from, movie.progress, noted(type, id)),
			home: `/film/${id}`,
			upcoming: null
		};
	}
	const [episode, next] = await orErrorPage(
		Promise.all([ok(api.GET('/api/episodes/{id}', { params: { path } })), ok(api.GET('/api/episodes/{id}/next', { params: { path } }))])
	);
	return {
		...common,
		title: episode.series.title,
		line: [episodeCode(episode), episode.title].filter(Boolean).join(' · '),
		at_ms: startAt(from, episode.progress, noted(type, id)),
		home: `/series/${episode.series.id}?season=${episode.season_number}`,
		upcoming: next.episode?.available
			? { id: next.episode.id, title: next.episode.title, line: `${episode.series.title} · ${episodeCode(next.episode)}` }
			: null
	};
};
