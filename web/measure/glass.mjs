// From glass to glass: how old a picture is when the viewer's page shows it. Not part of the tests: it needs a quiet
// machine and the better part of a minute for each path.
//
//   node web/measure/glass.mjs [--path webcodecs|mse|socketio|p2p|whip|whip-native|whep|document-1|document-2[,…]]
//     [--painter page|worker] [--size 640x480] [--fps 30] [--mode live|low-delay|production|demo|jpeg] [--seconds 20]
//     [--jitter 0-80] [--steal] [--loss 2] [--delay 25] [--server http://…]
//
// A publisher's page and a viewer's page of one browser, in two processes with one clock. The camera paints the time into
// the picture as blocks; an eye in the viewer's page reads it back at each animation frame from the element that is shown.
// What is not in it: camera, monitor, network. ABANICO_BIN names the server's binary, ABANICO_CHROMIUM the browser.
//
// `--path p2p` is WebRTC between two bare pages, to compare with; `whip` is WHIP in and WHEP out, `whip-native` WHIP in and our
// player, `whep` our publisher and WHEP out; `document-1` and `document-2` are the design document's own clients
// (document.mjs), option 1 with the document's viewer, option 2 with our player as it comes. `--loss` of a hundred datagrams
// of WebRTC are lost each way, and the others take `--delay` milliseconds. Several paths are measured one after the other. `--mode
// jpeg` is pictures at the full rate over the native door. `--jitter` holds back what the viewer is sent, each lot for so
// many milliseconds, in order. `--steal` keeps one core busy. How busy everything else on the machine was is told as
// `others`, in per cent of one core.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openPage, prefer, startBrowser, startServer, untilState } from '../e2e/house.mjs';
import { call, publishPictures } from './bare.mjs';
import { publishDocument, watchDocument } from './document.mjs';
import { watchOthers } from './others.mjs';
import { eye, paintedCamera } from './probe.mjs';
import { publishWhip, startNetwork, watchWhep } from './whip.mjs';

const WARM_UP_MS = 5_000;
const QUALITIES = { '640x480': '480p', '1280x720': '720p' };
const BITS_PER_SECOND = { '640x480': 1_400_000, '1280x720': 2_500_000 };
/** WebRTC between two pages of one machine that need not have a network. */
const FLAGS = [
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

const { values } = parseArgs({
  options: {
    path: { type: 'string', default: 'webcodecs' },
    mode: { type: 'string', default: 'live' },
    size: { type: 'string', default: '640x480' },
    fps: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '20' },
    painter: { type: 'string', default: 'page' },
    jitter: { type: 'string' },
    steal: { type: 'boolean', default: false },
    loss: { type: 'string' },
    delay: { type: 'string' },
    server: { type: 'string' },
  },
});
const [width, height] = values.size.split('x').map(Number);
const framesPerSecond = Number(values.fps);

for (const path of values.path.split(',')) await measure(path);

async function measure(path) {
  const ends = [];
  const house = { after: (end) => ends.unshift(end) };
  try {
    if (values.steal) stealCore(house);
    const browser = await startBrowser(house, FLAGS);
    const publisher = await openPage(browser, { bypassCSP: true });
    const viewer = await openPage(browser, { bypassCSP: path === 'document-1' });
    await publisher.addInitScript(paintedCamera, { width, height, framesPerSecond });
    await viewer.addInitScript(eye);
    const { port, origin } = values.server ? { origin: values.server } : await start(house);
    const near = values.jitter ? await unevenWire(house, port ?? new URL(origin).port, values.jitter) : origin;
    const ways = { p2p: showCall, whip: showWhip, 'whip-native': showWhip, whep: showWhip };
    const way = { ...ways, 'document-1': showPictures, 'document-2': showRecording }[path] ?? show;
    const told = await way({ publisher, viewer, path, origin, near });
    await viewer.waitForTimeout(WARM_UP_MS);
    await viewer.evaluate(() => {
      window.seen = [];
      window.unreadable = 0;
    });
    const others = watchOthers();
    await viewer.waitForTimeout(Number(values.seconds) * 1_000);
    const { seen, unreadable } = await viewer.evaluate(() => ({ seen: window.seen, unreadable: window.unreadable }));
    const busy = others();
    console.log(JSON.stringify({ ...values, path, ...report(seen), unreadable, others: busy, ...(await told()) }));
  } finally {
    for (const end of ends) await end();
  }
}

/** Our pages, from the streamer's to the viewer's; answers what they say of themselves at the end. */
async function show({ publisher, viewer, path, origin, near }) {
  const key = values.mode === 'jpeg' ? await sendPictures(publisher, origin) : await goLive(publisher, origin);
  await prefer(viewer, { native: 'on' });
  await viewer.goto(`${near}/watch/${key}?transport=${path}&painter=${values.painter}`);
  await untilState(viewer, 'playing');
  return async () => {
    const player = await playerOf(viewer);
    if (values.mode === 'jpeg') return { player };
    const { way, codec } = await publisher.locator('live-numbers').evaluate((element) => ({ ...element.dataset }));
    return { way, codec, player };
  };
}

async function goLive(page, origin) {
  const quality = QUALITIES[values.size] ?? '1080p';
  await prefer(page, { mode: values.mode, quality, source: 'camera', name: 'Glass', microphone: 'off', native: 'on' });
  await page.goto(`${origin}/streamer.html`);
  await page.locator('#start').click();
  await page.waitForFunction(() => Number(document.querySelector('live-numbers')?.dataset.sent) > 0);
  const link = await page.locator('share-card').getAttribute('data-url');
  return new URL(link).pathname.split('/').at(-1);
}

async function sendPictures(page, origin) {
  await page.goto(`${origin}/health`);
  await publishPictures(page, origin, 'glass');
  return 'glass';
}

/** A server, reached by WebRTC over a network that is as bad as was asked for. */
async function start(house) {
  if (!values.loss && !values.delay) return startServer(house);
  const network = await startNetwork(house, { loss: Number(values.loss ?? 0), delay: Number(values.delay ?? 0) });
  const server = await startServer(house, ['--rtc-address', `127.0.0.1:${network.port}`]);
  network.serverIs(server.port);
  return server;
}

/** WebRTC into the server, out of it, or both. */
async function showWhip({ publisher, viewer, path, origin, near }) {
  let key = 'glass';
  if (path === 'whep') key = await goLive(publisher, origin);
  else await publishWhip(publisher, origin, key, BITS_PER_SECOND[values.size] ?? 5_000_000);
  if (path !== 'whip-native') return watchWhep(viewer, origin, key);
  await prefer(viewer, { native: 'on' });
  await viewer.goto(`${near}/watch/${key}?transport=webcodecs&painter=${values.painter}`);
  await untilState(viewer, 'playing');
  return () => ({});
}

async function showCall({ publisher, viewer, origin }) {
  await Promise.all([publisher, viewer].map((page) => page.goto(`${origin}/health`)));
  await call(publisher, viewer, BITS_PER_SECOND[values.size] ?? 5_000_000);
  await viewer.waitForFunction(() => document.querySelector('#bare')?.videoWidth > 0);
  return async () => ({ shown: await viewer.evaluate(() => `${window.bare.videoWidth}x${window.bare.videoHeight}`) });
}

/** The design document's option 1: its streamer's page and its viewer's. */
async function showPictures({ publisher, viewer, origin, near }) {
  await watchDocument(viewer, near, await publishDocument(publisher, origin, 1));
  return async () => ({
    shown: await viewer.evaluate(() => `${window.bare.naturalWidth}x${window.bare.naturalHeight}`),
  });
}

/** Its option 2 in our player, which chooses its way itself. */
async function showRecording({ publisher, viewer, origin, near }) {
  const key = await publishDocument(publisher, origin, 2);
  await viewer.goto(`${near}/watch/${key}`);
  await untilState(viewer, 'playing');
  return async () => ({ player: await playerOf(viewer) });
}

function playerOf(viewer) {
  return viewer.locator('abanico-player').evaluate((element) => ({ ...element.dataset }));
}

/** Answers the origin at which the server is reached over an uneven wire. */
async function unevenWire(house, port, jitter) {
  const script = new URL('jitter.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, String(port), ...jitter.split('-')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  house.after(() => child.kill());
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return `http://127.0.0.1:${line}`;
}

function stealCore(house) {
  const child = spawn('taskset', ['-c', '0', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' });
  house.after(() => child.kill());
}

function report(seen) {
  const ages = seen.map(({ age }) => age).sort((a, b) => a - b);
  const gaps = seen.slice(1).map(({ at }, i) => at - seen[i].at);
  const numbers = seen.map(({ number }) => number);
  const at = (p) => ages[Math.min(ages.length - 1, Math.floor(ages.length * p))];
  const span = seen.length > 1 ? (seen.at(-1).at - seen[0].at) / 1_000 : 0;
  return {
    pictures: seen.length,
    p50: at(0.5),
    p95: at(0.95),
    max: ages.at(-1),
    framesPerSecond: span ? Number(((seen.length - 1) / span).toFixed(1)) : 0,
    skipped: seen.length ? numbers.at(-1) - numbers[0] + 1 - seen.length : 0,
    longestStandstillMs: gaps.length ? Math.round(Math.max(...gaps)) : 0,
  };
}
