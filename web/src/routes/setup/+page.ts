import { redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
import { session } from '$lib/auth/session.svelte';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async () => {
	const { completed } = await orErrorPage(ok(api.GET('/api/setup')));
	if (completed) redirect(307, session.active ? '/' : '/login');
};
