import { goto } from '$app/navigation';
import { api, ok } from '$lib/api/client';
import { collections } from '$lib/grid/collection.svelte';
import { session } from './session.svelte';

/** Ends the session at the server too; this browser forgets it even when the server cannot be told. */
export async function signOut(): Promise<void> {
	await ok(api.POST('/api/auth/sign-out')).catch(() => {});
	session.end();
	collections.clear();
	await goto('/login', { replaceState: true, invalidateAll: true });
}
