import type { Scope } from '$lib/api/types';

/** What an API key may be let to, in words for people. */
export const SCOPES: { scope: Scope; name: string; text: string }[] = [
	{ scope: 'catalog', name: 'Catalogue', text: 'Films, series and what is said about them' },
	{ scope: 'playback', name: 'Playback', text: 'Play films and episodes' },
	{ scope: 'progress', name: 'Progress', text: 'Read and change what was watched, and how far' },
	{ scope: 'libraries', name: 'Libraries', text: 'Libraries and their scans' },
	{ scope: 'realtime', name: 'Live events', text: 'Hear of changes as they happen' },
	{ scope: 'account', name: 'Account', text: 'Profile and preferences; never passwords or keys' }
];

export function scopeNames(scopes: Scope[]): string {
	return SCOPES.filter(({ scope }) => scopes.includes(scope))
		.map(({ name }) => name)
		.join(', ');
}
