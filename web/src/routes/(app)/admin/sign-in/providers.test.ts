import { describe, expect, it } from 'vitest';
import type { Provider } from '$lib/api/types';
import { asSettings, keyOf, withProvider } from './providers';

const provider = (key: string): Provider => ({
	key,
	kind: 'oidc',
	display_name: key,
	enabled: true,
	client_id: 'odeion',
	has_client_secret: true,
	issuer: 'https://id.example.org',
	team_id: null,
	key_id: null,
	native_client_ids: [],
	allow_private_network: false,
	redirect_uri: 'http://localhost:8096/api/auth/oauth/callback/home',
	missing: []
});

describe('a key', () => {
	it.each([
		['Home', 'home'],
		['Zu Hause!', 'zu-hause'],
		['Café Zoë', 'cafe-zoe'],
		['x'.repeat(40), 'x'.repeat(32)],
		['—', '']
	])('of %j is %j', (name, key) => {
		expect(keyOf(name)).toBe(key);
	});
});

describe('the list of providers', () => {
	it('keeps secrets by not sending them', () => {
		expect(asSettings(provider('home'))).not.toHaveProperty('client_secret');
	});

	it('takes a changed one in its place, and a new one at its end', () => {
		const both = [provider('home'), provider('work')];
		const changed = { ...asSettings(provider('home')), display_name: 'House' };
		expect(withProvider(both, changed).map(({ display_name }) => display_name)).toEqual(['House', 'work']);
		expect(withProvider(both, asSettings(provider('club'))).map(({ key }) => key)).toEqual(['home', 'work', 'club']);
	});
});
