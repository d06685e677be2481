import { SvelteMap } from 'svelte/reactivity';
import type { Paged } from '$lib/api/types';

export const PER_PAGE = 60;
const AT_ONCE = 3;

type Fetch<T> = (page: number, perPage: number) => Promise<Paged<T>>;

/** A long list of which only the wanted pages are fetched, each once; the last wanted are fetched first. */
export class Collection<T> {
	total = $state<number | null>(null);
	failed = $state<string | null>(null);
	#pages = new SvelteMap<number, T[]>();
	#wanted: number[] = [];
	#underWay = new Set<number>();

	constructor(private readonly fetchPage: Fetch<T>) {}

	at(index: number): T | undefined {
		return this.#pages.get(Math.floor(index / PER_PAGE) + 1)?.[index % PER_PAGE];
	}

	/** Says which pages are in sight now; what was wanted before and is not under way is dropped. */
	want(pages: number[]): void {
		this.#wanted = pages.filter((page) => !this.#pages.has(page) && !this.#underWay.has(page));
		this.#pump();
	}

	async load(page: number): Promise<T[]> {
		const known = this.#pages.get(page);
		if (known) return known;
		const answer = await this.fetchPage(page, PER_PAGE);
		this.total = answer.total_items;
		this.#pages.set(page, answer.items);
		this.failed = null;
		return answer.items;
	}

	/** Fetches all known pages anew, keeping what is shown until the answer comes. */
	async reload(): Promise<void> {
		const known = [...this.#pages.keys()].slice(-4);
		const [first, ...rest] = known.length ? known : [1];
		const fresh = new Map<number, T[]>();
		for (const page of [first ?? 1, ...rest]) {
			const answer = await this.fetchPage(page, PER_PAGE);
			this.total = answer.total_items;
			fresh.set(page, answer.items);
		}
		for (const page of [...this.#pages.keys()]) if (!fresh.has(page)) this.#pages.delete(page);
		for (const [page, items] of fresh) this.#pages.set(page, items);
	}

	#pump(): void {
		while (this.#underWay.size < AT_ONCE) {
			const page = this.#wanted.shift();
			if (page === undefined) return;
			this.#underWay.add(page);
			this.load(page)
				.catch((cause: unknown) => {
					this.failed = cause instanceof Error ? cause.message : String(cause);
				})
				.finally(() => {
					this.#underWay.delete(page);
					this.#pump();
				});
		}
	}
}

/** Keeps the last few collections, so that "back" finds the grid as it was. */
export class CollectionCache {
	#kept = new Map<string, { collection: Collection<unknown>; at: number }>();

	constructor(private readonly maxAgeMs = 5 * 60_000) {}

	of<T>(key: string, make: Fetch<T>): Collection<T> {
		const kept = this.#kept.get(key);
		if (kept && Date.now() - kept.at < this.maxAgeMs) return kept.collection as Collection<T>;
		const collection = new Collection<T>(make);
		this.#kept.set(key, { collection: collection as Collection<unknown>, at: Date.now() });
		if (this.#kept.size > 8) this.#kept.delete(this.#kept.keys().next().value as string);
		return collection;
	}

	clear(): void {
		this.#kept.clear();
	}
}

export const collections = new CollectionCache();
