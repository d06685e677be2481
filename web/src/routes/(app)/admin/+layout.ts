import { requireRole } from '$lib/auth/guard';
import type { LayoutLoad } from './$types';

export const load: LayoutLoad = async ({ parent }) => {
	await parent();
	requireRole('moderator');
};
