import { api, ok } from '$lib/api/client';
import { requireRole } from '$lib/auth/guard';
import { orErrorPage, pageOf } from '$lib/load';
import { between, type EventKind, EVENTS } from './trail';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ parent, url }) => {
	await parent();
	requireRole('admin');
	const asked = (name: string) => url.searchParams.get(name)?.slice(0, 64) ?? '';
	const choices = { kind: asked('kind'), username: asked('username'), address: asked('address'), from: asked('from'), to: asked('to') };
	const query = {
		page: pageOf(url),
		per_page: 30,
		...(choices.kind in EVENTS ? { kind: choices.kind as EventKind } : {}),
		...(choices.username ? { username: choices.username } : {}),
		...(choices.address ? { address: choices.address } : {}),
		...between(choices.from, choices.to)
	};
	return { events: await orErrorPage(ok(api.GET('/api/admin/security-events', { params: { query } }))), choices };
};
