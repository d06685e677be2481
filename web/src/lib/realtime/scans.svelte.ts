import { api, ok } from '$lib/api/client';
import type { ScanStatus } from '$lib/api/types';
import { session } from '$lib/auth/session.svelte';
import { events } from './events.svelte';

const POLL_MS = 1500;

type ScanCounts = Pick<ScanStatus, 'library_id' | 'files_found' | 'files_new' | 'files_failed' | 'files_missing'>;

/** What the first event of a scan may leave out. */
const NOTHING_YET = { phase: null, percent: 0, files_found: 0, files_new: 0, files_done: 0, files_failed: 0, files_missing: 0 };

/** The scans of all libraries, told by events and asked for when the socket is away. */
class Scans {
	#byLibrary = $state<Record<number, ScanStatus>>({});
	#users = 0;
	#cleanup: (() => void) | undefined;
	/** Counts completed scans, so that pages can look again. */
	completions = $state(0);

	of(libraryId: number): ScanStatus | null {
		return this.#byLibrary[libraryId] ?? null;
	}

	get running(): ScanStatus[] {
		return Object.values(this.#byLibrary).filter(isRunning);
	}

	set(status: ScanStatus): void {
		const before = this.#byLibrary[status.library_id];
		this.#byLibrary[status.library_id] = status;
		if (before && isRunning(before) && !isRunning(status)) this.completions++;
	}

	/** The event of the end has the counts only. */
	complete(counts: ScanCounts): void {
		const now = new Date().toISOString();
		const before = this.#byLibrary[counts.library_id] ?? { ...NOTHING_YET, started_at: now };
		this.set({ ...before, ...counts, state: 'completed', phase: null, percent: 100, files_done: counts.files_found, finished_at: now, error: null });
	}

	forget(libraryId: number): void {
		delete this.#byLibrary[libraryId];
	}

	/** Follows the scans until the returned function is called. */
	follow(): () => void {
		if (this.#users++ === 0) {
			const offs = [
				events.on('library.scan.progress', (data) => this.set({ ...NOTHING_YET, ...(data as ScanStatus) })),
				events.on('library.scan.completed', (data) => this.complete(data as ScanCounts))
			];
			// With the socket there, a slow look now and then makes up for an event that got lost.
			let beat = 0;
			const timer = setInterval(() => {
				const every = this.running.length === 0 ? (events.connected ? Infinity : 6) : events.connected ? 4 : 1;
				if (++beat % every === 0) void this.refresh();
			}, POLL_MS);
			void this.refresh();
			this.#cleanup = () => {
				offs.forEach((off) => off());
				clearInterval(timer);
			};
		}
		return () => {
			if (--this.#users === 0) this.#cleanup?.();
		};
	}

	async refresh(): Promise<void> {
		if (!session.active) return;
		try {
			const { items } = await ok(api.GET('/api/libraries/scans'));
			items.forEach((status) => this.set(status));
		} catch {
			// The next look may succeed.
		}
	}
}

export function isRunning(status: ScanStatus | null | undefined): boolean {
	return status?.state === 'running' || status?.state === 'queued';
}

export const scans = new Scans();
