import { redirect } from '@sveltejs/kit';
import { session } from '$lib/auth/session.svelte';
import type { PageLoad } from './$types';

export const load: PageLoad = () => {
	if (session.active) redirect(307, '/');
};
