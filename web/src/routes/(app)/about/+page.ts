import { api, ok } from '$lib/api/client';
import { orErrorPage } from '$lib/load';
import type { PageLoad } from './$types';

export const load: PageLoad = async () => ({ version: await orErrorPage(ok(api.GET('/api/system/version'))) });
