export interface Toast {
	id: number;
	text: string;
	bad: boolean;
}

class Toasts {
	all = $state<Toast[]>([]);
	#last = 0;

	say(text: string, bad = false): void {
		const id = ++this.#last;
		this.all.push({ id, text, bad });
		setTimeout(() => this.dismiss(id), bad ? 8000 : 4500);
	}

	fail(cause: unknown): void {
		this.say(cause instanceof Error ? cause.message : 'Something went wrong.', true);
	}

	dismiss(id: number): void {
		this.all = this.all.filter((toast) => toast.id !== id);
	}
}

export const toasts = new Toasts();
