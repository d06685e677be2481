import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Wraps an adapter so that the page it writes holds no inline script: the bootstrap of SvelteKit moves to a file
 * named by its content. The server may then send `script-src 'self'` as it is, without a hash to keep in step.
 *
 * @param {import('@sveltejs/kit').Adapter} adapter
 * @returns {import('@sveltejs/kit').Adapter}
 */
export function withoutInlineScripts(adapter) {
	return {
		...adapter,
		async adapt(builder) {
			await adapter.adapt(
				Object.create(builder, {
					generateFallback: {
						value: async (/** @type {string} */ page) => {
							await builder.generateFallback(page);
							writeFileSync(page, externalise(readFileSync(page, 'utf-8'), dirname(page)));
						}
					}
				})
			);
		}
	};
}

/**
 * @param {string} html
 * @param {string} root
 */
function externalise(html, root) {
	return html.replace(/<script>([\s\S]*?)<\/script>/g, (_, /** @type {string} */ code) => {
		const hash = createHash('sha256').update(code).digest('base64url').slice(0, 8);
		const path = `_app/immutable/entry/boot.${hash}.js`;
		mkdirSync(dirname(join(root, path)), { recursive: true });
		writeFileSync(join(root, path), code);
		return `<script src="/${path}"></script>`;
	});
}
