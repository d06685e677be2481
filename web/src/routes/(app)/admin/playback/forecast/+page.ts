import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { idOf, orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
	const { libraries } = await parent();
	requireRole('moderator');
	const asked = url.searchParams.get('library');
	const library_id = asked ? idOf(asked) : null;
	const forecast = await orErrorPage(ok(api.GET('/api/admin/transcoding/forecast', { params: { query: library_id === null ? {} : { library_id } } })));
	return { devices: forecast.items, library_id, libraries };
};
