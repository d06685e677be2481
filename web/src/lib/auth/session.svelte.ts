import type { Role, SignedIn, User } from '$lib/api/types';
import { exclusively } from './mutex';
import { includes } from './roles';

const KEY = 'odeion.session';
const RENEW_BEFORE_MS = 45_000;
/** Calls of who is not signed in: what they refuse says nothing about a session. */
const OPEN = /^\/api\/(setup|auth\/(login|refresh|register|reset-password|device-login|second-factor|passkeys|oauth\/(providers|start|exchange|register)))(\/|$)/;

type Renewal = 'renewed' | 'ended' | 'unreachable';

function read(): SignedIn | null {
	try {
		const text = localStorage.getItem(KEY);
		return text ? (JSON.parse(text) as SignedIn) : null;
	} catch {
		return null;
	}
}

/** Who is signed in, and the one place that knows the tokens. */
class Session {
	#signedIn = $state.raw<SignedIn | null>(null);
	#renewing: Promise<Renewal> | null = null;
	/** Called when the server has ended the session. */
	onended: () => void = () => {};

	constructor() {
		if (typeof window === 'undefined') return;
		this.#signedIn = read();
		window.addEventListener('storage', (event) => {
			if (event.key !== KEY && event.key !== null) return;
			const before = this.#signedIn;
			this.#signedIn = read();
			if (before && !this.#signedIn) this.onended();
		});
	}

	get user(): User | null {
		return this.#signedIn?.user ?? null;
	}

	get active(): boolean {
		return this.#signedIn !== null;
	}

	/** Whether the user may do what this role may. */
	has(role: Role): boolean {
		return this.user !== null && includes(this.user.role, role);
	}

	get isAdmin(): boolean {
		return this.has('admin');
	}

	/** The user's own account was changed. */
	note(user: User): void {
		if (this.#signedIn) this.begin({ ...this.#signedIn, user });
	}

	begin(signedIn: SignedIn): void {
		this.#signedIn = signedIn;
		localStorage.setItem(KEY, JSON.stringify(signedIn));
	}

	end(): void {
		this.#signedIn = null;
		localStorage.removeItem(KEY);
	}

	/** A token that is good for at least a little while, or null when signed out. */
	async token(): Promise<string | null> {
		if (!this.#signedIn) return null;
		if (Date.parse(this.#signedIn.expires_at) - Date.now() < RENEW_BEFORE_MS) await this.#renew();
		return this.#signedIn?.token ?? null;
	}

	/** The token as it is now, for a last message of a page that closes. */
	get tokenNow(): string | null {
		return this.#signedIn?.token ?? null;
	}

	async fetch(request: Request): Promise<Response> {
		if (OPEN.test(new URL(request.url).pathname)) return fetch(request);
		const again = request.clone();
		const token = await this.token();
		const first = await fetch(withToken(request, token));
		if (first.status !== 401 || !this.#signedIn) return first;
		// Another tab may have renewed meanwhile; else renew, and try once more.
		if (this.#signedIn.token === token && (await this.#renew()) !== 'renewed') return first;
		return fetch(withToken(again, this.#signedIn?.token ?? null));
	}

	#renew(): Promise<Renewal> {
		this.#renewing ??= exclusively('odeion.refresh', () => this.#renewAlone()).finally(() => {
			this.#renewing = null;
		});
		return this.#renewing;
	}

	async #renewAlone(): Promise<Renewal> {
		// A refresh token is good for one use: look first whether another tab has just used it.
		const stored = read();
		if (!stored) return this.#ended();
		if (stored.token !== this.#signedIn?.token && Date.parse(stored.expires_at) - Date.now() > RENEW_BEFORE_MS) {
			this.#signedIn = stored;
			return 'renewed';
		}
		let answer: Response;
		try {
			answer = await fetch('/api/auth/refresh', {
				method: 'POST',
				headers: { Authorization: `Bearer ${stored.refresh_token}` }
			});
		} catch {
			return 'unreachable';
		}
		if (answer.ok) {
			this.begin((await answer.json()) as SignedIn);
			return 'renewed';
		}
		if (answer.status >= 500 || answer.status === 429) return 'unreachable';
		return this.#ended();
	}

	#ended(): Renewal {
		this.end();
		this.onended();
		return 'ended';
	}
}

function withToken(request: Request, token: string | null): Request {
	if (token) request.headers.set('Authorization', `Bearer ${token}`);
	return request;
}

export const session = new Session();
