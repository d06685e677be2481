import { requireRole } from '$lib/auth/guard';
import { orErrorPage } from '$lib/load';
import { lookAround } from './watch';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	requireRole('moderator');
	return { playing: await orErrorPage(lookAround([])) };
};
