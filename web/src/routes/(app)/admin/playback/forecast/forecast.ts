import type { Conversion, DeviceForecast, ForecastGroup } from '$lib/api/types';
import { sentence } from '$lib/api/errors';
import { codec, container, count } from '$lib/format';

type Way = 'direct_play' | 'remux' | 'transcode' | 'unplayable';

/** From the least work to none possible. */
const WAYS: [Way, string][] = [
	['direct_play', 'Played as it is'],
	['remux', 'Repackaged'],
	['transcode', 'Converted'],
	['unplayable', 'Not playable']
];

export const wayName = (mode: ForecastGroup['mode']): string => WAYS.find(([way]) => way === (mode ?? 'unplayable'))?.[1] ?? '';

interface Share {
	way: Way;
	name: string;
	files: number;
	percent: number;
}

/** How the files of a library are played on a device; what does not happen is left out. */
export function sharesOf(device: DeviceForecast): Share[] {
	return WAYS.filter(([way]) => device[way] > 0).map(([way, name]) => ({ way, name, files: device[way], percent: (device[way] / device.file_count) * 100 }));
}

/** "12 of 20 files play as they are" */
export function summaryOf(device: DeviceForecast): string {
	const { file_count, direct_play } = device;
	if (direct_play === file_count) return file_count === 1 ? 'The one file plays as it is' : `All ${file_count.toLocaleString('en')} files play as they are`;
	return `${direct_play.toLocaleString('en')} of ${count(file_count, 'file')} ${direct_play === 1 ? 'plays as it is' : 'play as they are'}`;
}

/** "Repackage Matroska as MP4 and convert the sound from DTS to AAC." Empty where nothing would help. */
export function jobOf(conversions: Conversion[]): string {
	const steps = conversions.map(({ kind, source, target }) => {
		if (kind === 'container') return `repackage ${container(source)} as ${container(target)}`;
		const what = kind === 'sound' ? 'sound' : 'picture';
		return source === target ? `convert the ${what}, ${codec(target)} as before` : `convert the ${what} from ${codec(source)} to ${codec(target)}`;
	});
	if (!steps.length) return '';
	return sentence(new Intl.ListFormat('en', { type: 'conjunction' }).format(steps));
}
