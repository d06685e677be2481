import { redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
import { safeNext } from '$lib/auth/guard';
import { session } from '$lib/auth/session.svelte';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ url }) => {
	if (session.active) redirect(307, safeNext(url.searchParams.get('next')));
	let completed = true;
	try {
		completed = (await ok(api.GET('/api/setup'))).completed;
	} catch {
		// Signing in will say what is wrong.
	}
	if (!completed) redirect(307, '/setup');
};
