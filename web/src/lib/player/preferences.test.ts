import { describe, expect, it } from 'vitest';
import { preferredAudio, preferredProfile, preferredSubtitles } from './preferences';

describe('the quality', () => {
	it('is the one that was set, where playing can begin with it', () => {
		expect(preferredProfile('hd')).toBe('hd');
		expect(preferredProfile('audio')).toBe('auto');
	});
});

const sounds = [
	{ stream_index: 1, language: 'en', selected: true },
	{ stream_index: 2, language: 'de', selected: false },
	{ stream_index: 3, language: null, selected: false }
];

describe('the sound', () => {
	it.each([
		[[], 1],
		[['de'], 2],
		[['fr', 'de', 'en'], 2],
		[['en-GB', 'de'], 1],
		[['fr'], 1]
	])('for who wants %j is stream %i', (languages, index) => {
		expect(preferredAudio(sounds, languages)?.stream_index).toBe(index);
	});

	it.each([
		['deu', 'de'],
		['ger', 'de'],
		['jpn', 'ja'],
		['pt-BR', 'pt'],
		['not a language', 'not a language']
	])('that a file calls %s is what somebody calls %s', (language, wanted) => {
		expect(preferredAudio([sounds[0], { stream_index: 9, language, selected: false }] as typeof sounds, [wanted])?.stream_index).toBe(9);
	});

	it('of a silent film is none', () => {
		expect(preferredAudio([], ['en'])).toBeNull();
	});
});

const text = (key: string, language: string | null, more: object = {}) => ({ key, language, is_forced: false, is_hearing_impaired: false, url: `/${key}`, ...more });
const texts = [text('sdh', 'en', { is_hearing_impaired: true }), text('full', 'en'), text('forced', 'en', { is_forced: true }), text('german', 'de')];
const settings = { audio_languages: ['en'], subtitle_languages: ['en', 'de'], subtitle_mode: 'foreign_audio' as const };

describe('the subtitles', () => {
	it('are full ones when the sound is in no language that is wanted', () => {
		expect(preferredSubtitles(texts, 'ja', settings)?.key).toBe('full');
		expect(preferredSubtitles(texts, null, settings)?.key).toBe('full');
	});

	it('are the forced ones when the sound is understood', () => {
		expect(preferredSubtitles(texts, 'en', settings)?.key).toBe('forced');
		expect(preferredSubtitles(texts, 'de', { ...settings, audio_languages: ['de'] })).toBeNull();
	});

	it('are in the first language there is', () => {
		expect(preferredSubtitles(texts, 'ja', { ...settings, subtitle_languages: ['fr', 'de'] })?.key).toBe('german');
	});

	it('come always, or never, for who says so', () => {
		expect(preferredSubtitles(texts, 'en', { ...settings, subtitle_mode: 'always' })?.key).toBe('full');
		expect(preferredSubtitles(texts, 'ja', { ...settings, subtitle_mode: 'off' })).toBeNull();
	});

	it('that are pictures do not come on by themselves for a few words', () => {
		const painted = [text('painted', 'en', { is_forced: true, url: null })];
		expect(preferredSubtitles(painted, 'en', { ...settings, subtitle_mode: 'forced' })).toBeNull();
	});
});
