import { describe, expect, it } from 'vitest';
import { commandOf } from './keys';

describe('commandOf', () => {
	it('knows the keys of a player', () => {
		expect(commandOf({ key: ' ' })).toEqual({ do: 'toggle' });
		expect(commandOf({ key: 'K' })).toEqual({ do: 'toggle' });
		expect(commandOf({ key: 'j' })).toEqual({ do: 'seek', seconds: -10 });
		expect(commandOf({ key: 'ArrowRight' })).toEqual({ do: 'seek', seconds: 5 });
		expect(commandOf({ key: '7' })).toEqual({ do: 'jump', share: 0.7 });
		expect(commandOf({ key: 'Escape' })).toEqual({ do: 'leave' });
	});

	it('leaves the browser its own keys', () => {
		expect(commandOf({ key: 'f', ctrlKey: true })).toBeNull();
		expect(commandOf({ key: 'l', metaKey: true })).toBeNull();
		expect(commandOf({ key: 'q' })).toBeNull();
		expect(commandOf({ key: 'F5' })).toBeNull();
	});
});
