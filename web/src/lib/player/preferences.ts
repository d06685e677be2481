import type { AudioChoice, Preferences, Profile, SubtitleChoice } from '$lib/api/types';

type Sound = Pick<AudioChoice, 'stream_index' | 'language' | 'selected'>;
type Text = Pick<SubtitleChoice, 'key' | 'language' | 'is_forced' | 'is_hearing_impaired' | 'url'>;

/** The qualities that playing can begin with. */
export const QUALITIES: { profile: Profile; name: string }[] = [
	{ profile: 'auto', name: 'Automatic: the best this device can show' },
	{ profile: 'native', name: 'Original, as the file is' },
	{ profile: '4k', name: 'At most 4K' },
	{ profile: 'hd', name: 'At most 1080p' },
	{ profile: 'mobile', name: 'At most 720p' },
	{ profile: 'sd', name: 'At most 480p' },
	{ profile: '360p', name: 'At most 360p' }
];

/** The quality that playing begins with. A setting may name one that only whole conversions can have. */
export function preferredProfile(quality: Preferences['quality']): Profile {
	return QUALITIES.find(({ profile }) => profile === quality)?.profile ?? 'auto';
}

/** Whether both are the same language: "pt-BR" and "pt", "de" and the "deu" or "ger" of a file. */
function speaks(language: string | null, wanted: string): boolean {
	return language !== null && spoken(language) === spoken(wanted);
}

function spoken(tag: string): string {
	try {
		return new Intl.Locale(tag).language;
	} catch {
		return tag;
	}
}

/** The sound in the most wanted language there is; the selected one where none is wanted or there. Null without sound. */
export function preferredAudio<T extends Sound>(choices: T[], languages: string[]): T | null {
	const selected = choices.find((choice) => choice.selected) ?? choices[0] ?? null;
	for (const language of languages) {
		if (selected && speaks(selected.language, language)) return selected;
		const found = choices.find((choice) => speaks(choice.language, language));
		if (found) return found;
	}
	return selected;
}

/** The subtitles that come on by themselves with a sound in `audioLanguage`; null is none. */
export function preferredSubtitles<T extends Text>(
	choices: T[],
	audioLanguage: string | null,
	settings: Pick<Preferences, 'audio_languages' | 'subtitle_languages' | 'subtitle_mode'>
): T | null {
	const mode = settings.subtitle_mode;
	if (mode === 'off') return null;
	// What is forced tells of the few foreign words in a film, in the language of its sound.
	const forced = () => choices.find((choice) => choice.is_forced && choice.url && audioLanguage !== null && speaks(choice.language, audioLanguage)) ?? null;
	if (mode === 'forced') return forced();
	const understood = audioLanguage !== null && settings.audio_languages.some((language) => speaks(audioLanguage, language));
	if (mode === 'foreign_audio' && understood) return forced();
	for (const language of settings.subtitle_languages) {
		const full = choices.filter((choice) => !choice.is_forced && speaks(choice.language, language));
		const found = full.find((choice) => !choice.is_hearing_impaired) ?? full[0];
		if (found) return found;
	}
	return forced();
}
