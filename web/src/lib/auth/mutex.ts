/**
 * Runs one task at a time over all tabs of this origin. Browsers offer `navigator.locks` only on https and
 * localhost; a server at home is often plain http, so there is a lease in localStorage as the second choice.
 */
const LEASE_MS = 8000;
const SETTLE_MS = 40;

export async function exclusively<T>(name: string, task: () => Promise<T>): Promise<T> {
	if (typeof navigator !== 'undefined' && navigator.locks) {
		return (await navigator.locks.request(name, task)) as T;
	}
	const key = `odeion.lock.${name}`;
	const owner = `${Date.now()}.${Math.random().toString(36).slice(2)}`;
	const deadline = Date.now() + 2 * LEASE_MS;
	while (Date.now() < deadline && !(await take(key, owner))) await pause(60 + Math.random() * 60);
	try {
		return await task();
	} finally {
		if (localStorage.getItem(key)?.startsWith(`${owner}|`)) localStorage.removeItem(key);
	}
}

async function take(key: string, owner: string): Promise<boolean> {
	const [holder, until] = (localStorage.getItem(key) ?? '').split('|');
	if (holder && holder !== owner && Number(until) > Date.now()) return false;
	localStorage.setItem(key, `${owner}|${Date.now() + LEASE_MS}`);
	await pause(SETTLE_MS);
	return (localStorage.getItem(key) ?? '').startsWith(`${owner}|`);
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
