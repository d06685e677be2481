import { redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
import { safeNext } from '$lib/auth/guard';
import { session } from '$lib/auth/session.svelte';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ url }) => {
	if (session.active) redirect(307, safeNext(url.searchParams.get('next')));
	const [setup, providers] = await Promise.allSettled([ok(api.GET('/api/setup')), ok(api.GET('/api/auth/oauth/providers'))]);
	if (setup.status === 'fulfilled' && !setup.value.completed) redirect(307, '/setup');
	// If the server cannot be reached, signing in will say so.
	return { providers: providers.status === 'fulfilled' ? providers.value.items : [] };
};
