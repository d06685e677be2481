import { execSync } from 'node:child_process';
import adapter from '@sveltejs/adapter-static';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';
import { withoutInlineScripts } from './build-tools/without-inline-scripts.js';

/** A new name per build lets an open tab notice that the files it was made of are gone, and reload. */
function buildName() {
	if (process.env.ODEION_BUILD) return process.env.ODEION_BUILD;
	try {
		return execSync('git rev-parse HEAD', { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim();
	} catch {
		return String(Date.now());
	}
}

/** @type {import('@sveltejs/kit').Config} */
const config = {
	preprocess: vitePreprocess(),
	kit: {
		adapter: withoutInlineScripts(adapter({ pages: 'build', fallback: 'index.html' })),
		version: { name: buildName() },
		output: { preloadStrategy: 'modulepreload' }
	}
};

export default config;
