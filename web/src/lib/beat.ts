/** As much of a document as tells whether it is seen. */
export type Seen = Pick<Document, 'hidden' | 'addEventListener' | 'removeEventListener'>;

/**
 * Calls `look` every so often while the page is seen, never while it is hidden, and at once when it is seen again. The
 * next call waits for the one before. Returns how to stop.
 */
export function whileSeen(look: () => Promise<void>, every_ms: number, page: Seen = document): () => void {
	let timer: ReturnType<typeof setTimeout> | undefined;
	let looking = false;
	let over = false;

	function later() {
		clearTimeout(timer);
		if (!over && !page.hidden) timer = setTimeout(() => void now(), every_ms);
	}

	async function now() {
		if (looking) return;
		looking = true;
		try {
			await look();
		} finally {
			looking = false;
			later();
		}
	}

	function onchange() {
		if (page.hidden) clearTimeout(timer);
		else void now();
	}

	page.addEventListener('visibilitychange', onchange);
	later();
	return () => {
		over = true;
		clearTimeout(timer);
		page.removeEventListener('visibilitychange', onchange);
	};
}
