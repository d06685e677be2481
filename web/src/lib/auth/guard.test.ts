import { describe, expect, it } from 'vitest';
import { loginFor, safeNext } from './guard';

describe('the way on after a login', () => {
	it.each(['/film/12', '/library/3?sort=year', '/account#passkeys'])('is %s of this app', (path) => {
		expect(safeNext(path)).toBe(path);
	});

	it.each([
		null,
		'',
		'film/12',
		'https://example.org/',
		'//example.org',
		'/\\example.org',
		'/\t/example.org',
		'/.//example.org',
		'/login',
		'/login?next=/login',
		'/oauth?code=x',
		'/reset-password#x'
	])('is home in place of %j', (next) => {
		expect(safeNext(next)).toBe('/');
	});

	it('is kept through the login', () => {
		const url = new URL('http://localhost/library/3?sort=year&page=2');
		const login = new URL(loginFor(url), 'http://localhost');
		expect(safeNext(login.searchParams.get('next'))).toBe('/library/3?sort=year&page=2');
	});
});
