import { describe, expect, it } from 'vitest';
import { ApiError } from '$lib/api/errors';
import { prover } from './proof.svelte';

const wanted = () => new ApiError(403, 'proof_required', 'x');

describe('prover', () => {
	it('stays out of the way while no proof is wanted', async () => {
		expect(await prover.during(async () => 7, true)).toBe(7);
		expect(prover.open).toBe(false);
		await expect(prover.during(() => Promise.reject(new ApiError(409, 'conflict', 'x')), true)).rejects.toMatchObject({ code: 'conflict' });
	});

	it('asks, and goes on with what was under way', async () => {
		let proven = false;
		const result = prover.during(() => (proven ? Promise.resolve('done') : Promise.reject(wanted())), true);
		await expect.poll(() => prover.open).toBe(true);
		proven = true;
		prover.given();
		expect(await result).toBe('done');
	});

	it('gives up when the question is closed', async () => {
		prover.open = false;
		const result = prover.during(() => Promise.reject(wanted()), true);
		await expect.poll(() => prover.open).toBe(true);
		prover.closed();
		await expect(result).rejects.toMatchObject({ code: 'proof_required' });
	});

	it('says what to do where there is nothing to show', async () => {
		await expect(prover.during(() => Promise.reject(wanted()), false)).rejects.toThrow(/Sign out/);
	});
});
