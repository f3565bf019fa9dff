// What `npm publish` would publish: the built elements and their types, nothing else, and it can be used.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'vite';
import { openPage, startBrowser, TEST_MAX } from './house.mjs';

const run = promisify(execFile);
const web = new URL('..', import.meta.url).pathname;

test('the package is the built elements and their types, and a page and a compiler take it', TEST_MAX, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'abanico-package-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  // A copy, because packing builds, and somebody else may be building here.
  const source = join(home, 'source');
  for (const name of ['package.json', 'README.md', 'tsconfig.json', 'tsconfig.package.json', 'vite.config.ts', 'src']) {
    await cp(join(web, name), join(source, name), { recursive: true });
  }
  await symlink(join(web, 'node_modules'), join(source, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', home], { cwd: source });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  const strange = files
    .map(({ path }) => path)
    .filter((path) => !/^(package\.json|README\.md|lib\/abanico\.js|lib\/types\/.+\.d\.ts)$/.test(path));
  assert.deepEqual(strange, []);

  const modules = join(home, 'consumer/node_modules');
  await mkdir(modules, { recursive: true });
  await run('tar', ['-xzf', join(home, filename), '-C', modules]);
  await symlink(join(modules, 'package'), join(modules, 'abanico-web'));
  await symlink(join(web, 'node_modules/socket.io-client'), join(modules, 'socket.io-client'));
  const consumer = join(home, 'consumer');
  await writeFile(join(consumer, 'package.json'), '{ "type": "module" }');
  await writeFile(
    join(consumer, 'main.ts'),
    `import 'abanico-web';
    import type { AbanicoPlayer, PlayerState } from 'abanico-web';
    const player: AbanicoPlayer = document.createElement('abanico-player');
    player.muted = true;
    player.addEventListener('stats', ({ detail }) => console.log(detail.frames, detail.delayMs?.toFixed()));
    player.addEventListener('error', ({ detail }) => console.log(detail.kind));
    player.addEventListener('click', ({ clientX }) => console.log(clientX));
    player.addEventListener('playing', (event) => console.log(event.type));
    document.createElement('abanico-publisher').addEventListener('stats', ({ detail }) => console.log(detail.sent));
    const state: PlayerState = player.state;
    document.title = state + ' ' + (customElements.get('abanico-publisher') !== undefined);`,
  );
  const flags = ['--noEmit', '--strict', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022'];
  await run(join(web, 'node_modules/.bin/tsc'), [...flags, '--types', '', '--lib', 'es2023,dom', 'main.ts'], {
    cwd: consumer,
  }).catch(({ stdout: said }) => assert.fail(said));

  // A server that renders pages takes it, too; its elements begin to live in the browser.
  const rendered = `import * as all from 'abanico-web'; console.log(Object.keys(all).sort().join());`;
  const { stdout: exported } = await run(process.execPath, ['--input-type=module', '-e', rendered], { cwd: consumer });
  assert.equal(exported.trim(), 'AbanicoPlayer,AbanicoPublisher');

  const lib = { entry: join(consumer, 'main.ts'), formats: ['iife'], name: 'main', fileName: 'main' };
  const [{ output }] = await build({
    configFile: false,
    root: consumer,
    logLevel: 'warn',
    build: { write: false, lib },
  });
  const page = await openPage(await startBrowser(t));
  await page.route('http://site.test/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
  );
  await page.goto('http://site.test/');
  await page.addScriptTag({ content: output[0].code });
  assert.equal(await page.title(), 'idle true');
  assert.deepEqual(page.complaints, []);
});
