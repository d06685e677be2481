import { describe, expect, it } from 'vitest';
import type { Gpu, Pool } from '$lib/api/types';
import { numberOf } from '../numbers';
import { changesOf, codecs, placeOf, placesFor } from './pools';

const pool = { id: 1, name: 'CPU', kind: 'cpu', device: null, node: null, max_sessions: 2, live_sessions: 0, enabled: true, priority: 100, capabilities: null, probed_at: null, created_at: '' } satisfies Pool;
const arc: Gpu = { vendor: 'Intel', name: 'Arc A380', device: '/dev/dri/renderD128', pci_address: null, kinds: ['qsv', 'vaapi'] };

describe('a pool', () => {
	it('says where it is', () => {
		expect(placeOf(pool)).toBe('Processor');
		expect(placeOf({ kind: 'nvenc', device: '0', node: 'nas' })).toBe('NVENC · GPU 0 · on nas');
		expect(placeOf({ kind: 'qsv', device: '/dev/dri/renderD128', node: null })).toBe('Quick Sync · /dev/dri/renderD128');
		expect(codecs(['h264', 'hevc'])).toBe('H.264, HEVC');
	});

	it('is changed only in what is other than before', () => {
		expect(changesOf(pool, ' CPU ', '2', '100')).toEqual({});
		expect(changesOf(pool, 'Cores', '3', '100')).toEqual({ name: 'Cores', max_sessions: 3 });
		expect(changesOf(pool, 'CPU', '2', '5')).toEqual({ priority: 5 });
	});

	it('leaves it to the server to refuse what is no number', () => {
		expect(numberOf(' 12 ')).toBe(12);
		expect(numberOf('many')).toBe('many');
		expect(numberOf('')).toBe('');
	});
});

describe('a new pool', () => {
	it('is of what has none yet', () => {
		expect(placesFor([arc], 'nas', [pool]).map((place) => place.kind)).toEqual(['qsv', 'vaapi']);
		expect(placesFor([arc], 'nas', [{ kind: 'qsv', device: arc.device, node: 'nas' }]).map((place) => place.kind)).toEqual(['vaapi', 'cpu']);
		// The same device in another host is another device.
		expect(placesFor([arc], 'nas', [pool, { kind: 'qsv', device: arc.device, node: 'attic' }]).map((place) => place.kind)).toEqual(['qsv', 'vaapi']);
	});
});
