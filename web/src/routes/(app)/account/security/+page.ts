import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, depends }) => {
	depends('app:ways-in');
	await parent();
	const [user, factors, passkeys, identities, providers] = await orErrorPage(
		Promise.all([
			ok(api.GET('/api/users/me')),
			ok(api.GET('/api/account/second-factors')),
			ok(api.GET('/api/account/passkeys')),
			ok(api.GET('/api/auth/oauth/identities')),
			ok(api.GET('/api/auth/oauth/providers'))
		])
	);
	return { user, factors, passkeys: passkeys.items, identities: identities.items, providers: providers.items };
};
