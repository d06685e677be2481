import type { Gpu, Pool, PoolKind } from '$lib/api/types';
import { codec } from '$lib/format';
import { numberOf } from '../numbers';

export const KINDS: Record<PoolKind, string> = { cpu: 'Processor', nvenc: 'NVENC', qsv: 'Quick Sync', vaapi: 'VA-API' };

/** "Quick Sync · /dev/dri/renderD128 · on nas" */
export function placeOf(pool: Pick<Pool, 'kind' | 'device' | 'node'>): string {
	const device = pool.device === null ? '' : pool.kind === 'nvenc' ? `GPU ${pool.device}` : pool.device;
	return [KINDS[pool.kind], device, pool.node ? `on ${pool.node}` : ''].filter(Boolean).join(' · ');
}

/** "H.264, HEVC" */
export const codecs = (names: string[]): string => names.map(codec).join(', ');

/** What a new pool may be of. */
export interface Place {
	kind: PoolKind;
	device: string | null;
	name: string;
	text: string;
}

/** The GPUs that were found, by each of their kinds, and the processor; less what has a pool already. */
export function placesFor(gpus: Gpu[], node: string, pools: Pick<Pool, 'kind' | 'device' | 'node'>[]): Place[] {
	const found: Place[] = gpus.flatMap((gpu) => gpu.kinds.map((kind) => ({ kind, device: gpu.device, name: gpu.name, text: [KINDS[kind], gpu.vendor, gpu.device].join(' · ') })));
	const all = [...found, { kind: 'cpu' as const, device: null, name: 'CPU', text: 'Every host has one' }];
	return all.filter((place) => !pools.some((pool) => pool.kind === place.kind && pool.device === place.device && (pool.node === null || pool.node === node)));
}

/** What an edit changes: only that is sent. A limit that is no number is the server's to refuse. */
export function changesOf(pool: Pool, name: string, limit: string, priority: string): { name?: string; max_sessions?: number; priority?: number } {
	return {
		...(name.trim() !== pool.name ? { name: name.trim() } : {}),
		...(numberOf(limit) !== pool.max_sessions ? { max_sessions: numberOf(limit) } : {}),
		...(numberOf(priority) !== pool.priority ? { priority: numberOf(priority) } : {})
	};
}
