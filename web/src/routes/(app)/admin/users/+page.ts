import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { ROLES } from '$lib/auth/roles';
import { orErrorPage, pageOf } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
	await parent();
	requireRole('admin');
	const asked = url.searchParams;
	const search = asked.get('search')?.slice(0, 500) ?? '';
	const role = ROLES.find((one) => one === asked.get('role'));
	const locked = asked.get('locked') === 'true';
	const recent = asked.get('sort') === 'last_seen_at';
	const query = {
		page: pageOf(url),
		per_page: 25,
		...(search ? { search } : {}),
		...(role ? { role } : {}),
		...(locked ? { locked } : {}),
		...(recent ? { sort: 'last_seen_at' as const, order: 'desc' as const } : {})
	};
	return { people: await orErrorPage(ok(api.GET('/api/users', { params: { query } }))), search, role: role ?? '', locked, recent };
};
