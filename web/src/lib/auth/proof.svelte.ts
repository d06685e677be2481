import { ApiError } from '$lib/api/errors';

/** Some changes want a proof that is not old. When the server says so, whoever has the page open is asked for one, and what
    was under way goes on. */
class Prover {
	open = $state(false);
	#settle: ((given: boolean) => void) | null = null;

	/** `canProve`: there is a password or a code to show. */
	async during<T>(act: () => Promise<T>, canProve: boolean): Promise<T> {
		try {
			return await act();
		} catch (cause) {
			if (!(cause instanceof ApiError) || cause.code !== 'proof_required') throw cause;
			if (!canProve) throw new ApiError(403, cause.code, 'Sign out and in again first: that shows that it is you.');
			if (!(await this.#ask())) throw new ApiError(403, cause.code, 'Nothing was changed.');
			return act();
		}
	}

	given() {
		this.#end(true);
	}

	closed() {
		this.#end(false);
	}

	#ask(): Promise<boolean> {
		this.#end(false);
		this.open = true;
		return new Promise((settle) => (this.#settle = settle));
	}

	#end(given: boolean) {
		this.#settle?.(given);
		this.#settle = null;
	}
}

export const prover = new Prover();
