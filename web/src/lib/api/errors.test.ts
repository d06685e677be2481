import { describe, expect, it } from 'vitest';
import { toApiError, wait } from './errors';

const envelope = (code: string, message: string, fields?: object[]) => ({ error: { code, message, fields } });

describe('an error of the server', () => {
	it('is a sentence', () => {
		expect(toApiError(403, envelope('forbidden', 'this account is locked')).message).toBe('This account is locked.');
	});

	it('says how long to wait', () => {
		const problem = toApiError(429, envelope('too_many_requests', 'too many failed tries; wait a while'), '40');
		expect(problem.message).toBe('Too many tries. Wait 40 seconds, then try again.');
	});

	it('keeps its words where there is nothing to wait for', () => {
		expect(toApiError(429, envelope('too_many_requests', 'you may play 1 at a time')).message).toBe('You may play 1 at a time.');
	});

	it('names its fields by their last part', () => {
		const problem = toApiError(422, envelope('validation_error', 'no', [{ field: 'body.username', message: 'too long' }]));
		expect(problem.of('username')).toBe('too long');
		expect(problem.of('name')).toBeUndefined();
	});
});

describe('a time to wait', () => {
	it.each([
		[1, '1 second'],
		[60, '60 seconds'],
		[61, '2 minutes'],
		[3600, '60 minutes'],
		[7200, '2 hours']
	])('of %i s is %s', (seconds, words) => {
		expect(wait(seconds)).toBe(words);
	});
});
