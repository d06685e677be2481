import { describe, expect, it } from 'vitest';
import { deviceLine, positionAt, sight } from './playing';

const at = (second: number) => `2026-03-01T12:00:${String(second).padStart(2, '0')}Z`;
const now = (second: number) => Date.parse(at(0)) + second * 1000;

describe('where a session is', () => {
	it('goes on between two beats, but no further', () => {
		const seen = sight({ heartbeat_at: at(0), position_ms: 60_000 });
		expect(positionAt(seen, now(0), null)).toBe(60_000);
		expect(positionAt(seen, now(10), null)).toBe(70_000);
		expect(positionAt(seen, now(300), null)).toBe(90_000);
		expect(positionAt(seen, now(10), 65_000)).toBe(65_000);
	});

	it('is not before what was told when this clock goes late', () => {
		expect(positionAt(sight({ heartbeat_at: at(20), position_ms: 60_000 }), now(0), null)).toBe(60_000);
	});

	it('stands still when it told the same place twice', () => {
		const first = sight({ heartbeat_at: at(0), position_ms: 60_000 });
		expect(sight({ heartbeat_at: at(0), position_ms: 60_000 }, first)).toBe(first);
		const second = sight({ heartbeat_at: at(30), position_ms: 60_000 }, first);
		expect(second.moving).toBe(false);
		expect(positionAt(second, now(40), null)).toBe(60_000);
		const third = sight({ heartbeat_at: at(59), position_ms: 61_000 }, second);
		expect(third.moving).toBe(true);
	});
});

describe('a device', () => {
	it('is told without what it does not say', () => {
		expect(deviceLine({ device_name: 'Chrome on Linux', client: 'Odeion Web', address: '127.0.0.1' })).toBe('Chrome on Linux · Odeion Web · 127.0.0.1');
		expect(deviceLine({ device_name: '', client: '', address: '127.0.0.1' })).toBe('Unnamed device · 127.0.0.1');
		expect(deviceLine({ device_name: 'Telly', client: 'Telly', address: '127.0.0.1' })).toBe('Telly · 127.0.0.1');
	});
});
