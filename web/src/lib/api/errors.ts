import { count } from '$lib/format';

export interface FieldProblem {
	field: string;
	message: string;
}

/** What went wrong, in words for people. `code` is the server's, or `network` when it could not be reached. */
export class ApiError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string,
		readonly fields: FieldProblem[] = []
	) {
		super(message);
		this.name = 'ApiError';
	}

	/** The problem with one field of a form, by the last part of its name. */
	of(field: string): string | undefined {
		return this.fields.find((problem) => problem.field === field || problem.field.endsWith(`.${field}`))?.message;
	}
}

interface Envelope {
	error: { code: string; message: string; fields?: FieldProblem[] | null };
}

function isEnvelope(body: unknown): body is Envelope {
	return (
		typeof body === 'object' &&
		body !== null &&
		'error' in body &&
		typeof (body as Envelope).error?.message === 'string'
	);
}

/** `retryAfter` is the header of that name, where the answer had one. */
export function toApiError(status: number, body: unknown, retryAfter: string | null = null): ApiError {
	if (isEnvelope(body)) {
		const message = status === 429 && Number(retryAfter) > 0 ? `Too many tries. Wait ${wait(Number(retryAfter))}, then try again.` : sentence(body.error.message);
		return new ApiError(status, body.error.code, message, body.error.fields ?? []);
	}
	return new ApiError(status, 'unexpected', `The server answered with an error (${status}).`);
}

export function asApiError(cause: unknown): ApiError {
	if (cause instanceof ApiError) return cause;
	return new ApiError(0, 'network', 'The server cannot be reached. Is it running?');
}

/** 40 → "40 seconds", 90 → "2 minutes": never less than it is. */
export function wait(seconds: number): string {
	if (seconds <= 60) return count(Math.ceil(seconds), 'second');
	if (seconds <= 90 * 60) return count(Math.ceil(seconds / 60), 'minute');
	return count(Math.ceil(seconds / 3600), 'hour');
}

/** "movie not found" → "Movie not found." */
export function sentence(text: string): string {
	const trimmed = text.trim();
	if (!trimmed) return '';
	const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
	return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
