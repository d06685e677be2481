import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vitest/config';

const backend = process.env.ODEION_DEV_API ?? 'http://127.0.0.1:8096';

export default defineConfig({
	plugins: [sveltekit()],
	server: {
		proxy: {
			'/api': { target: backend, ws: true },
			'/openapi.json': { target: backend }
		}
	},
	build: { chunkSizeWarningLimit: 900 },
	test: { include: ['src/**/*.test.ts'], environment: 'node' }
});
