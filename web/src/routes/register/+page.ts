import { redirect } from '@sveltejs/kit';
import { api, ok } from '$lib/api/client';
import { session } from '$lib/auth/session.svelte';
import { toasts } from '$lib/toasts.svelte';
import type { PageLoad } from './$types';

export const load: PageLoad = async () => {
	if (session.active) {
		toasts.say('You are signed in already. An invite is for somebody new.');
		redirect(307, '/');
	}
	try {
		return { providers: (await ok(api.GET('/api/auth/oauth/providers'))).items };
	} catch {
		// If the server cannot be reached, signing up will say so.
		return { providers: [] };
	}
};
