export type Command =
	| { do: 'toggle' | 'fullscreen' | 'mute' | 'subtitles' | 'next' | 'leave' | 'why' }
	| { do: 'seek'; seconds: number }
	| { do: 'volume'; change: number }
	| { do: 'jump'; share: number };

interface Key {
	key: string;
	ctrlKey?: boolean;
	metaKey?: boolean;
	altKey?: boolean;
}

/** What a key does in the player, or null. */
export function commandOf({ key, ctrlKey, metaKey, altKey }: Key): Command | null {
	if (ctrlKey || metaKey || altKey) return null;
	if (/^[0-9]$/.test(key)) return { do: 'jump', share: Number(key) / 10 };
	switch (key.length === 1 ? key.toLowerCase() : key) {
		case ' ':
		case 'k':
		case 'MediaPlayPause':
			return { do: 'toggle' };
		case 'j':
		case 'MediaRewind':
			return { do: 'seek', seconds: -10 };
		case 'l':
		case 'MediaFastForward':
			return { do: 'seek', seconds: 10 };
		case 'ArrowLeft':
			return { do: 'seek', seconds: -5 };
		case 'ArrowRight':
			return { do: 'seek', seconds: 5 };
		case 'ArrowUp':
			return { do: 'volume', change: 0.05 };
		case 'ArrowDown':
			return { do: 'volume', change: -0.05 };
		case 'f':
			return { do: 'fullscreen' };
		case 'm':
			return { do: 'mute' };
		case 'c':
			return { do: 'subtitles' };
		case 'n':
		case 'MediaTrackNext':
			return { do: 'next' };
		case 'i':
			return { do: 'why' };
		case 'Escape':
		case 'GoBack':
		case 'BrowserBack':
		case 'XF86Back':
			return { do: 'leave' };
		default:
			return null;
	}
}
