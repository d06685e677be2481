import { error, redirect } from '@sveltejs/kit';
import { asApiError } from '$lib/api/errors';
import { loginFor } from '$lib/auth/guard';
import { session } from '$lib/auth/session.svelte';

/** For page loads: what the server refuses becomes the error page, and the end of a session the login. */
export async function orErrorPage<T>(work: Promise<T>): Promise<T> {
	try {
		return await work;
	} catch (cause) {
		const problem = asApiError(cause);
		if (problem.status === 401 && !session.active) redirect(307, loginFor(location));
		error(problem.status >= 400 ? problem.status : 503, { message: problem.message, code: problem.code });
	}
}

/** The number of a path such as /film/12, or the error page. */
export function idOf(text: string): number {
	if (!/^[1-9]\d{0,17}$/.test(text)) error(404, { message: 'This page does not exist.' });
	return Number(text);
}

/** The page of a list that the address names; the first where it names none. */
export function pageOf(url: URL): number {
	const text = url.searchParams.get('page') ?? '';
	return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1;
}
