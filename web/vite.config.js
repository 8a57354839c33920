import { defineConfig } from 'vite';

import { guide } from './guide.js';

// One entry per page. The server serves dist/index.html at /, and dist/NAME.html at /NAME.
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
    // The Content-Security-Policy allows no `data:` for scripts. Files are cached permanently.
    assetsInlineLimit: 0,
    // Monaco, the editor, is one chunk of this size. It is loaded once per release.
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      input: pages,
      // "use client" is only for frameworks that render on servers.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  worker: { format: 'es' },
  // For development: `npx vite` serves the pages and forwards API requests to a separate server.
  optimizeDeps: { exclude: ['graphiql/setup-workers/vite', '@graphiql/react/setup-workers/vite'] },
  server: { proxy: { '/graphql': { target: api, ws: true }, '/site.json': api, '/status.json': api } },
});
