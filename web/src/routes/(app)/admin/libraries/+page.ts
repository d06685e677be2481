import { requireRole } from '$lib/auth/guard';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent }) => {
	await parent();
	requireRole('admin');
};
