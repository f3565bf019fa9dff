// The build of the three pages: hashed assets under /assets/, nothing inline (the server's CSP is strict).

import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const page = (name: string): string => fileURLToPath(new URL(`./${name}.html`, import.meta.url));

/** Holds the first paint until the page's script has chosen theme and language, so that nothing flashes. */
const blockFirstPaint: Plugin = {
  name: 'block-first-paint',
  transformIndexHtml: {
    order: 'post',
    handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

/** Sends the share link's path to the viewer page, as the server does. */
const watchLinks: Plugin = {
  name: 'watch-links',
  configureServer(server) {
    server.middlewares.use((request, _response, next) => {
      if (request.url?.startsWith('/watch/')) request.url = '/viewer.html';
      next();
    });
  },
};

const backend = process.env.ABANICO_DEV_SERVER ?? 'http://localhost:3000';

export default defineConfig({
  plugins: [blockFirstPaint, watchLinks],
  server: {
    proxy: {
      '/socket.io/': { target: backend, ws: true },
      '/streams': backend,
      '/health': backend,
    },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: page('index'), streamer: page('streamer'), viewer: page('viewer') } },
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'], environment: 'node', restoreMocks: true },
});
