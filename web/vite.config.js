import { defineConfig } from 'vite';

import { guide } from './guide.js';

// One entry a page: the server answers dist/index.html at /, and dist/NAME.html at /NAME.
const pages = ['index.html', 'live.html', 'monitoring.html', 'status.html'];

const api = process.env.KINOTEKA_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  // Relative, so that a proxy may serve the pages under a prefix.
  base: './',
  plugins: [guide],
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The Content-Security-Policy has no `data:` for scripts, and files are cached for good.
    assetsInlineLimit: 0,
    // Monaco, the editor, is one chunk of this size. It is loaded once per release.
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      input: pages,
      // "use client" means something to frameworks that render on servers, and nothing here.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  worker: { format: 'es' },
  // `npx vite` serves the pages while they are worked on; the API is a server beside it.
  optimizeDeps: { exclude: ['graphiql/setup-workers/vite', '@graphiql/react/setup-workers/vite'] },
  server: { proxy: { '/graphql': { target: api, ws: true }, '/site.json': api, '/status.json': api } },
});
