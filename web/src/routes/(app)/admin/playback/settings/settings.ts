import type { TranscodeSettings, TranscodeSettingsUpdate } from '$lib/api/types';
import { bitrate, resolution } from '$lib/format';

type Preset = NonNullable<TranscodeSettingsUpdate['preset']>;

export const PRESETS: [Preset, string][] = [
	['ultrafast', 'Ultrafast, the least work'],
	['superfast', 'Superfast'],
	['veryfast', 'Very fast'],
	['faster', 'Faster'],
	['fast', 'Fast'],
	['medium', 'Medium, the most work']
];

const HEIGHTS = [480, 720, 1080, 1440, 2160];
const BITRATES = [2_000_000, 4_000_000, 8_000_000, 12_000_000, 20_000_000, 40_000_000, 80_000_000];

type Choice = [number | null, string];

/** The usual ceilings, none, and the one that is set, if that is another. */
function ceilings(usual: number[], now: number | null, name: (value: number) => string): Choice[] {
	const values = [...new Set(now === null ? usual : [...usual, now])].sort((a, b) => a - b);
	return [[null, 'No ceiling'], ...values.map((value): Choice => [value, name(value)])];
}

export const heights = (now: number | null): Choice[] => ceilings(HEIGHTS, now, (value) => (HEIGHTS.includes(value) ? resolution(value) : `${value} lines`));
export const bitrates = (now: number | null): Choice[] => ceilings(BITRATES, now, bitrate);

/** Only what is other than before is sent: what somebody else changed meanwhile stays. */
export function changesOf(before: TranscodeSettings, after: TranscodeSettings): TranscodeSettingsUpdate {
	const names = Object.keys(after) as (keyof TranscodeSettings)[];
	return Object.fromEntries(names.filter((name) => after[name] !== before[name]).map((name) => [name, after[name]]));
}
