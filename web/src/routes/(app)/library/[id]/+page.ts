import { error } from '@sveltejs/kit';
import { idOf } from '$lib/load';
import { choicesOf } from './choices';
import type { PageLoad } from './$types';

export const load: PageLoad = async ({ params, parent, url }) => {
	const id = idOf(params.id);
	const { libraries } = await parent();
	const library = libraries.find((one) => one.id === id);
	if (!library) error(404, { message: 'There is no such library.' });
	return { library, choices: choicesOf(url.searchParams, library) };
};
