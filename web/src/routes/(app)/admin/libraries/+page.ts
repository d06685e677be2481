import { error } from '@sveltejs/kit';
import { session } from '$lib/auth/session.svelte';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	if (!session.isAdmin) error(403, { message: 'Only an administrator can manage the libraries.' });
};
