import { goto } from '$app/navigation';
import { collections } from '$lib/grid/collection.svelte';
import { session } from './session.svelte';

export async function signOut(): Promise<void> {
	session.end();
	collections.clear();
	await goto('/login', { replaceState: true, invalidateAll: true });
}
