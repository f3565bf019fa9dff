// Three builds of one source: the pages (hashed assets under /assets/, nothing inline, for the server's policy is strict),
// `--mode elements` (one classic script for anybody's page), and `--mode package` (a module for npm).

import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const page = (name: string): string => file(`./${name}.html`);

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

/** Puts the sound worklet into the script itself: another site's page has no file to load it from. */
const worklet = 'sound-ring.worklet.ts';
const inlineWorklet: Plugin = {
  name: 'inline-worklet',
  enforce: 'pre',
  resolveId: (source) => (source.endsWith(`${worklet}?worker&url`) ? '\0inline-worklet' : undefined),
  async load(id) {
    if (id !== '\0inline-worklet') return undefined;
    const result = await build({
      configFile: false,
      logLevel: 'warn',
      publicDir: false,
      build: {
        write: false,
        minify: true,
        lib: { entry: file(`./src/player/frames/${worklet}`), formats: ['es'], fileName: 'worklet' },
      },
    });
    const output = Array.isArray(result) ? result[0]?.output[0] : 'output' in result ? result.output[0] : undefined;
    if (output?.type !== 'chunk') throw new Error('the sound worklet was not built');
    const type = JSON.stringify({ type: 'text/javascript' });
    return `export default URL.createObjectURL(new Blob([${JSON.stringify(output.code)}], ${type}));`;
  },
};

const backend = process.env.ABANICO_DEV_SERVER ?? 'http://localhost:3000';

const pages: ViteUserConfig = {
  plugins: [blockFirstPaint, watchLinks],
  server: {
    proxy: {
      '/socket.io/': { target: backend, ws: true },
      '/live/': { target: backend, ws: true },
      '/streams': backend,
      '/health': backend,
      '/trust/': backend,
    },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: page('index'), streamer: page('streamer'), viewer: page('viewer'), trust: page('trust') },
    },
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'], environment: 'node', restoreMocks: true },
};

function elements(format: 'iife' | 'es'): ViteUserConfig {
  return {
    plugins: [inlineWorklet],
    publicDir: false,
    worker: { format: 'es' },
    build: {
      target: 'es2022',
      outDir: format === 'iife' ? 'dist' : 'lib',
      emptyOutDir: format === 'es',
      minify: format === 'iife',
      lib: { entry: file('./src/elements.ts'), name: 'Abanico', formats: [format], fileName: () => 'abanico.js' },
      rolldownOptions: { external: format === 'es' ? ['socket.io-client'] : [] },
    },
  };
}

export default defineConfig(({ mode }) => {
  if (mode === 'elements') return elements('iife');
  return mode === 'package' ? elements('es') : pages;
});
