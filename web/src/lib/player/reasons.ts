import type { PlaybackSession, StreamDecision } from '$lib/api/types';
import { codec } from '$lib/format';

/** What was decided for a session, be it one's own or one that is looked at. */
export type Decided = Pick<PlaybackSession, 'decisions' | 'reasons'>;

/** Plain words for what the server decided. */
export function headline(mode: string): { title: string; text: string } {
	switch (mode) {
		case 'direct_play':
			return { title: 'Played as it is', text: 'The file reaches this screen untouched, in its full quality.' };
		case 'remux':
			return { title: 'Repackaged', text: 'The picture is untouched; only what is around it was changed for this browser.' };
		default:
			return { title: 'Converted', text: 'The picture is converted while you watch, since this browser cannot show it as it is.' };
	}
}

const KINDS: Record<string, string> = { video: 'Picture', audio: 'Sound', subtitle: 'Subtitles', container: 'Package', file: 'File' };

export function kindName(kind: string): string {
	return KINDS[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1);
}

export function treatmentOf(decision: StreamDecision): string {
	const from = codec(decision.source_codec);
	const to = codec(decision.target_codec);
	switch (decision.treatment) {
		case 'copy':
			return `${from}, untouched`;
		case 'transcode':
			return to && to !== from ? `${from} → ${to}` : `${from}, converted`;
		case 'convert':
			return to && to !== from ? `${from} → ${to}` : from;
		case 'burn_in':
			return `${from}, painted into the picture`;
		case 'drop':
			return `${from}, left out`;
		default:
			return from;
	}
}

/** "The sound" comes once, not once for each of eight languages that are treated alike. */
export function decisionsOf(session: Decided): StreamDecision[] {
	const seen = new Set<string>();
	return session.decisions.filter((decision) => {
		const same = [decision.kind, decision.treatment, decision.source_codec, decision.target_codec, ...decision.reasons].join('|');
		if (seen.has(same)) return false;
		seen.add(same);
		return true;
	});
}

/** Why the file as a whole is not played directly, less what is said of its picture or sound anyhow. */
export function reasonsOf(session: Decided): string[] {
	const told = new Set(session.decisions.flatMap((decision) => decision.reasons));
	return session.reasons.filter((reason) => !told.has(reason));
}
