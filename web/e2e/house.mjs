// The house that the end-to-end tests live in: a server of our own on a free port, browsers with a made-up camera, and
// words for what people do. Whatever it starts ends with the test.
//
// ABANICO_BIN names the server's binary, ABANICO_CHROMIUM the browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

export const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];
/** Long enough for a busy machine, short enough to be told today. */
export const PATIENCE_MS = 30_000;
/** No test may hang. */
export const TEST_MAX = { timeout: 150_000 };

function binary() {
  const path = process.env.ABANICO_BIN ?? new URL('../../target/debug/abanico', import.meta.url).pathname;
  if (!existsSync(path)) throw new Error(`there is no server at ${path}: run cargo build, or set ABANICO_BIN`);
  return path;
}

export function browserPath() {
  const wanted = process.env.ABANICO_CHROMIUM ?? 'chromium';
  if (wanted.includes('/')) return wanted;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (existsSync(join(folder, wanted))) return join(folder, wanted);
  }
  throw new Error(`there is no ${wanted} on the PATH: install it, or set ABANICO_CHROMIUM`);
}

/** Starts a server on a free port; it ends with the test `t`. */
export async function startServer(t, flags = [], listen = '127.0.0.1:0') {
  const data = await mkdtemp(join(tmpdir(), 'abanico-e2e-'));
  const args = ['--listen', listen, '--data', data, '--log-format', 'json', ...flags];
  const child = spawn(binary(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(data, { recursive: true, force: true });
  });
  // The greeting tells the operator's key, after the log tells the port.
  const key = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /abk-[0-9a-z-]+/.exec(line);
      if (found) resolve(found[0]);
    });
  });
  const lines = createInterface({ input: child.stderr });
  const port = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it listened`)));
    lines.on('line', (line) => {
      const found = /"address":"[^"]*:(\d+)"/.exec(line);
      if (found) resolve(Number(found[1]));
    });
  });
  return { origin: `http://127.0.0.1:${port}`, port, child, key };
}

/** A wire between browser and server that can be cut and mended. */
export async function startWire(t, port) {
  const sockets = new Set();
  let isCut = false;
  let bytesPerSecond = Number.POSITIVE_INFINITY;
  const crawl = (from, to) =>
    from.on('data', (bytes) => {
      to.write(bytes);
      if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
      from.pause();
      setTimeout(() => from.resume(), (bytes.length / bytesPerSecond) * 1_000);
    });
  const proxy = net.createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      crawl(socket, other);
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    proxy.close();
  });
  return {
    origin: `http://127.0.0.1:${proxy.address().port}`,
    cut,
    mend() {
      isCut = false;
    },
    /** From now on the wire takes no more than this, each way; the systems' own buffers are as large as ever. */
    slow(limit) {
      bytesPerSecond = limit;
    },
  };
}

/** What browsers say when a page does what its policies forbid. */
const VIOLATION = /Content Security Policy|Content-Security-Policy|Permissions-Policy|ERR_BLOCKED_BY_/;
const violationsOf = new WeakMap();

/** What the pages of a browser did against their policies; a test that leaves any there has failed. */
export const violations = (browser) => violationsOf.get(browser);

/** A browser of its own; it ends with the test, whose pages may not have violated a policy. `env` is its
 * environment, where that is not ours. */
export async function startBrowser(t, flags = [], env = process.env) {
  const browser = await chromium.launch({ executablePath: browserPath(), args: [...BROWSER_FLAGS, ...flags], env });
  violationsOf.set(browser, []);
  t.after(async () => {
    await browser.close();
    assert.deepEqual(violations(browser), []);
  });
  return browser;
}

/** Chromium heeds this header at safe addresses only, and says so at others. */
const UNHEEDED = /^The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy/;

/**
 * A page of a person of their own, who speaks English unless told otherwise. Anything that a page should not say on its
 * console is kept in `page.complaints`.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`${error}`));
  page.on('console', (message) => {
    const isComplaint = ['error', 'warning'].includes(message.type()) && !UNHEEDED.test(message.text());
    if (isComplaint) page.complaints.push(message.text());
    if (VIOLATION.test(message.text())) violations(browser).push(message.text());
  });
  return page;
}

/** What a publisher chose before, as the page remembers it. */
export async function prefer(page, choices) {
  await page.addInitScript((values) => {
    for (const [name, value] of Object.entries(values)) localStorage.setItem(`abanico.${name}`, value);
  }, choices);
}

/** Media over Socket.IO in place of the native door. */
export const SOCKETIO = { native: 'off' };

export const DEMO = { mode: 'demo', quality: '480p', source: 'camera', name: 'Ada' };
export const LIVE = { mode: 'live', quality: '240p', source: 'camera', name: 'Ada', microphone: 'on' };
export const VIDEO = { mode: 'low-delay', quality: '240p', source: 'camera', name: 'Ada', microphone: 'on' };

/** Goes from the streamer page to live; answers the link to share. */
export async function goLive(page, origin, choices) {
  await prefer(page, choices);
  await page.goto(`${origin}/streamer.html`);
  return pressGoLive(page);
}

export async function pressGoLive(page) {
  await page.locator('#start').click();
  await page.locator('.desk[data-state="live"]').waitFor();
  await page.waitForFunction(() => Number(document.querySelector('live-numbers')?.dataset.sent) > 0);
  return page.locator('share-card').getAttribute('data-url');
}

export function untilState(page, state) {
  return page.locator(`abanico-player[state="${state}"]`).waitFor();
}

export const player = (page) =>
  page.locator('abanico-player').evaluate((element) => ({ state: element.getAttribute('state'), ...element.dataset }));

/** Waits until so many more pictures were shown. */
export async function moreFrames(page, count) {
  const before = Number((await player(page)).frames);
  try {
    await page.waitForFunction(
      (wanted) => Number(document.querySelector('abanico-player')?.dataset.frames) >= wanted,
      before + count,
    );
  } catch (error) {
    error.message += `; the player: ${JSON.stringify(await inside(page))}`;
    throw error;
  }
}

/** What a player that stands still looks like from within. */
function inside(page) {
  return page.locator('abanico-player').evaluate((element) => {
    const { currentTime, paused, seeking, readyState, buffered, error } =
      element.shadowRoot.querySelector('video') ?? {};
    const ranges = Array.from({ length: buffered?.length ?? 0 }, (_, i) => [buffered.start(i), buffered.end(i)]);
    const state = element.getAttribute('state');
    return { state, ...element.dataset, currentTime, paused, seeking, readyState, ranges, error: error?.message };
  });
}

/** What is on the player's surface now, as 32 × 18 grey values. */
function look(page) {
  return page.locator('abanico-player').evaluate((element) => {
    const surface = element.shadowRoot.querySelector('.surface > :not(.behind)');
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(surface, 0, 0, 32, 18);
    const { data } = context.getImageData(0, 0, 32, 18);
    return Array.from({ length: 32 * 18 }, (_, i) => (data[i * 4] + data[i * 4 + 1] + data[i * 4 + 2]) / 3);
  });
}

/** How much two looks differ: the share of places whose brightness is another. */
function difference(a, b) {
  return a.filter((value, i) => Math.abs(value - b[i]) > 12).length / a.length;
}

/**
 * Compares the picture at two instants, several pictures apart: true if it moved. A picture of one colour does not
 * count, whatever it does.
 */
export async function isMoving(page) {
  const first = await look(page);
  for (let i = 0; i < 8; i++) {
    await moreFrames(page, 3);
    const later = await look(page);
    const isFlat = Math.max(...later) - Math.min(...later) < 20;
    if (!isFlat && difference(first, later) > 0.01) return true;
  }
  return false;
}

/** Ends a page's process as a crash would: nobody says goodbye. */
export async function kill(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent('crash');
  // There is nobody left to answer.
  session.send('Page.crash').catch(() => {});
  await crashed;
}
