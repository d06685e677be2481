import { session } from '$lib/auth/session.svelte';
import { backoffMs, eventOf } from './frames';

type Listener = (data: unknown) => void;

/** What the server tells by itself, over one WebSocket that comes back when it is lost. */
class Events {
	connected = $state(false);
	#socket: WebSocket | null = null;
	#listeners = new Map<string, Set<Listener>>();
	#attempt = 0;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#wanted = false;

	/** Listens to one event until the returned function is called. */
	on(name: string, listener: Listener): () => void {
		const listeners = this.#listeners.get(name) ?? new Set();
		this.#listeners.set(name, listeners.add(listener));
		return () => listeners.delete(listener);
	}

	start(): void {
		if (this.#wanted) return;
		this.#wanted = true;
		void this.#open();
	}

	stop(): void {
		this.#wanted = false;
		clearTimeout(this.#timer);
		this.#socket?.close();
		this.#socket = null;
		this.connected = false;
	}

	async #open(): Promise<void> {
		const token = await session.token();
		if (!this.#wanted || !token) return;
		const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
		const socket = new WebSocket(`${scheme}://${location.host}/api/ws`);
		this.#socket = socket;
		socket.onopen = () => socket.send(JSON.stringify({ type: 'c2s_auth', payload: { token } }));
		socket.onmessage = (message) => this.#receive(String(message.data));
		socket.onclose = () => {
			if (this.#socket !== socket) return;
			this.#socket = null;
			this.connected = false;
			if (this.#wanted) this.#timer = setTimeout(() => void this.#open(), backoffMs(this.#attempt++));
		};
	}

	#receive(text: string): void {
		const frame = eventOf(text);
		if (!frame) return;
		if (frame.kind === 'ready') {
			this.connected = true;
			this.#attempt = 0;
			return;
		}
		for (const listener of this.#listeners.get(frame.name) ?? []) listener(frame.data);
	}
}

export const events = new Events();
