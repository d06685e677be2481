import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { idOf, orErrorPage, pageOf } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, parent, depends, url }) => {
	depends('app:person');
	await parent();
	requireRole('admin');
	const id = idOf(params.id);
	const [person, keys, activity] = await orErrorPage(
		Promise.all([
			ok(api.GET('/api/users/{id}', { params: { path: { id } } })),
			ok(api.GET('/api/admin/users/{userId}/api-keys', { params: { path: { userId: id } } })),
			ok(api.GET('/api/admin/users/{id}/activity', { params: { path: { id }, query: { page: pageOf(url), per_page: 10 } } }))
		])
	);
	return { person, keys, activity };
};
