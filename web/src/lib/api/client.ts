import createClient from 'openapi-fetch';
import { session } from '$lib/auth/session.svelte';
import { asApiError, toApiError } from './errors';
import type { paths } from './schema';

/** Every call of the app goes through here; the session adds the token and renews it when needed. */
export const api = createClient<paths>({
	fetch: (request: Request) => session.fetch(request)
});

interface Answer<T> {
	data?: T;
	error?: unknown;
	response: Response;
}

/** The data of an answer, or an ApiError thrown. */
export async function ok<T>(answer: Promise<Answer<T>>): Promise<T> {
	let settled: Answer<T>;
	try {
		settled = await answer;
	} catch (cause) {
		throw asApiError(cause);
	}
	if (!settled.response.ok) throw toApiError(settled.response.status, settled.error, settled.response.headers.get('Retry-After'));
	return settled.data as T;
}
