// From glass to glass: how old a picture is when the viewer's page shows it. Not part of the tests: it needs a quiet
// machine and the better part of a minute.
//
//   node web/measure/glass.mjs [--path webcodecs|mse|socketio] [--painter page|worker] [--mode live|low-delay|production|demo] [--size 640x480]
//     [--fps 30] [--seconds 20] [--server http://…]
//
// A publisher's page and a viewer's page of one browser, in two processes with one clock. The camera paints the time into
// the picture as blocks; an eye in the viewer's page reads it back at each animation frame from the element that is shown.
// What is not in it: camera, monitor, network. ABANICO_BIN names the server's binary, ABANICO_CHROMIUM the browser.

import { parseArgs } from 'node:util';
import { openPage, prefer, startBrowser, startServer, untilState } from '../e2e/house.mjs';
import { eye, paintedCamera } from './probe.mjs';

const WARM_UP_MS = 5_000;
const QUALITIES = { '640x480': '480p', '1280x720': '720p' };

const { values } = parseArgs({
  options: {
    path: { type: 'string', default: 'webcodecs' },
    mode: { type: 'string', default: 'live' },
    size: { type: 'string', default: '640x480' },
    fps: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '20' },
    painter: { type: 'string', default: 'page' },
    server: { type: 'string' },
  },
});
const [width, height] = values.size.split('x').map(Number);
const framesPerSecond = Number(values.fps);

const ends = [];
const house = { after: (end) => ends.unshift(end) };
try {
  const origin = values.server ?? (await startServer(house)).origin;
  const browser = await startBrowser(house, ['--autoplay-policy=no-user-gesture-required']);
  const publisher = await openPage(browser);
  const quality = QUALITIES[values.size] ?? '1080p';
  await prefer(publisher, {
    mode: values.mode,
    quality,
    source: 'camera',
    name: 'Glass',
    microphone: 'off',
    native: 'on',
  });
  await publisher.addInitScript(paintedCamera, { width, height, framesPerSecond });
  await publisher.goto(`${origin}/streamer.html`);
  await publisher.locator('#start').click();
  await publisher.waitForFunction(() => Number(document.querySelector('live-numbers')?.dataset.sent) > 0);
  const link = await publisher.locator('share-card').getAttribute('data-url');

  const viewer = await openPage(browser);
  await prefer(viewer, { native: 'on' });
  await viewer.addInitScript(eye);
  await viewer.goto(`${link}?transport=${values.path}&painter=${values.painter}`);
  await untilState(viewer, 'playing');
  await viewer.waitForTimeout(WARM_UP_MS);
  await viewer.evaluate(() => {
    window.seen = [];
    window.unreadable = 0;
  });
  await viewer.waitForTimeout(Number(values.seconds) * 1_000);
  const { seen, unreadable } = await viewer.evaluate(() => ({ seen: window.seen, unreadable: window.unreadable }));
  const player = await viewer.locator('abanico-player').evaluate((element) => ({ ...element.dataset }));
  const { way, codec } = await publisher.locator('live-numbers').evaluate((element) => ({ ...element.dataset }));
  console.log(JSON.stringify({ ...values, way, codec, ...report(seen), unreadable, player }));
} finally {
  for (const end of ends) await end();
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
