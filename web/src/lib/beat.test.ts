import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Seen, whileSeen } from './beat';

class Page extends EventTarget {
	hidden = false;

	turn(hidden: boolean) {
		this.hidden = hidden;
		this.dispatchEvent(new Event('visibilitychange'));
	}
}

describe('whileSeen', () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it('looks every so often, and not while the page is hidden', async () => {
		const page = new Page();
		const look = vi.fn(async () => {});
		const stop = whileSeen(look, 1000, page as unknown as Seen);
		await vi.advanceTimersByTimeAsync(3500);
		expect(look).toHaveBeenCalledTimes(3);
		page.turn(true);
		await vi.advanceTimersByTimeAsync(60_000);
		expect(look).toHaveBeenCalledTimes(3);
		page.turn(false);
		expect(look).toHaveBeenCalledTimes(4);
		await vi.advanceTimersByTimeAsync(1000);
		expect(look).toHaveBeenCalledTimes(5);
		stop();
		page.turn(false);
		await vi.advanceTimersByTimeAsync(60_000);
		expect(look).toHaveBeenCalledTimes(5);
	});

	it('waits for a look that takes long', async () => {
		let done = () => {};
		const look = vi.fn(() => new Promise<void>((resolve) => (done = resolve)));
		const stop = whileSeen(look, 1000, new Page() as unknown as Seen);
		await vi.advanceTimersByTimeAsync(10_000);
		expect(look).toHaveBeenCalledTimes(1);
		done();
		await vi.advanceTimersByTimeAsync(1000);
		expect(look).toHaveBeenCalledTimes(2);
		stop();
	});
});
