// How long viewers are without a new picture when all of them are moved from the server to the publisher's page and back.
//
// `node web/measure/handover.mjs --viewers 8 --pages 2 --rounds 3`: one streamer page, so many players in so many pages of the
// same Chromium, each page a process, all at 426×240 and 24/s. The publisher moves everybody at once, as a person does at the selector. What counts is what a
// player shows in front: a drawing on its canvas, or a frame of its video. Next to the moves the same is told of quiet
// seconds before: a machine that does not carry the viewers shows it there.

import http from 'node:http';
import { parseArgs } from 'node:util';
import { goLive, LIVE, openPage, startBrowser, startServer } from '../e2e/house.mjs';
import { paintedCamera } from './probe.mjs';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '8' },
    pages: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    quiet: { type: 'string', default: '5' },
    size: { type: 'string', default: '426x240' },
    fps: { type: 'string', default: '24' },
  },
});
const viewers = Number(values.viewers);
const pages = Number(values.pages);
const rounds = Number(values.rounds);
const [width, height] = values.size.split('x').map(Number);
const framesPerSecond = Number(values.fps);
const quietMs = Number(values.quiet) * 1_000;

const ends = [];
const house = { after: (end) => ends.unshift(end) };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
try {
  const server = await startServer(house);
  const browser = await startBrowser(house);
  const publisher = await openPage(browser);
  await publisher.addInitScript(paintedCamera, { width, height, framesPerSecond, aside: true });
  const link = await goLive(publisher, server.origin, { ...LIVE, microphone: 'off', delivery: 'central' });
  const streamKey = new URL(link).pathname.split('/').at(-1);
  await publisher.evaluate(watchPauses);
  const audience = [];
  for (let i = 0; i < pages; i++) {
    const count = Math.floor(viewers / pages) + (i < viewers % pages ? 1 : 0);
    audience.push(await seats(browser, server, streamKey, count));
  }
  const all = (act, ...args) => Promise.all(audience.map((page) => act(page, ...args)));

  const told = [];
  const tell = async (what, act, path) => {
    await all((page) => page.evaluate(() => window.begin()));
    await publisher.evaluate(() => window.longestPause());
    const from = Date.now();
    await act();
    if (path) {
      await all((page) =>
        page.waitForFunction(
          (wanted) => [...document.querySelectorAll('abanico-player')].every(({ dataset }) => dataset.path === wanted),
          path,
        ),
      );
    }
    const tookMs = Date.now() - from;
    // The newest change has had its effect by then.
    if (path) await pause(2_000);
    const answers = await all((page) => page.evaluate(() => window.told()));
    const gaps = answers.flatMap((answer) => answer.gaps);
    const perSecond = answers.reduce((sum, answer) => sum + answer.perSecond * answer.gaps.length, 0) / gaps.length;
    gaps.sort((a, b) => a - b);
    told.push({
      what,
      'all moved after ms': path ? tookMs : '',
      'longest gap, p50 ms': gaps[Math.floor(gaps.length / 2)],
      'longest gap, worst viewer ms': gaps.at(-1),
      'pictures a second': perSecond.toFixed(1),
      'publisher paused for ms': await publisher.evaluate(() => window.longestPause()),
    });
  };
  const deliver = (choice) =>
    publisher.locator('source-settings').evaluate((settings, value) => {
      settings.querySelector(`input[value="${value}"]`).click();
    }, choice);

  await tell('quiet, server', () => pause(quietMs));
  for (let round = 1; round <= rounds; round++) {
    await tell(`to the publisher, ${round}`, () => deliver('p2p'), 'p2p');
    if (round === 1) await tell('quiet, publisher', () => pause(quietMs));
    await tell(`to the server, ${round}`, () => deliver('central'), 'webcodecs');
  }
  console.log(`${viewers} viewers in ${pages} pages, ${values.size} at ${values.fps}/s, ${rounds} rounds`);
  console.table(told);
} finally {
  for (const end of ends) await end();
}

/** A page with so many players in it, and their connections, playing. */
async function seats(browser, server, streamKey, viewers) {
  const site = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><style>abanico-player{display:inline-block;width:213px}</style>
      <script src="${server.origin}/abanico.js"></script>`);
  });
  await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
  house.after(() => site.close());
  const page = await openPage(browser);
  await page.addInitScript(watchPictures);
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate(
    ([key, count]) => {
      for (let i = 0; i < count; i++) {
        const player = document.createElement('abanico-player');
        // To have a connection for signals from the beginning; left to choose from then on.
        Object.assign(player, { streamKey: key, muted: true, delivery: 'p2p' });
        document.body.append(player);
        player.autoplay = true;
        player.play();
        player.addEventListener('peer', () => {
          player.delivery = 'auto';
        });
      }
    },
    [streamKey, viewers],
  );
  await page.waitForFunction(
    (count) => document.querySelectorAll('abanico-player[state="playing"][data-path="webcodecs"]').length === count,
    viewers,
  );
  await pause(3_000);
  return page;
}

/** Runs in the publisher's page: how long nothing else could run there. */
function watchPauses() {
  let last = performance.now();
  let longest = 0;
  setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 10);
  window.longestPause = () => {
    const told = Math.round(longest);
    longest = 0;
    return told;
  };
}

/** Runs in the players' page: notes when each player shows something new in front. */
function watchPictures() {
  let last = new Map();
  let longest = new Map();
  let pictures = 0;
  let since = 0;
  const shown = (element) => {
    const player = element.getRootNode().host;
    if (!player || element.classList.contains('behind')) return;
    const now = performance.now();
    const before = last.get(player);
    if (before !== undefined) longest.set(player, Math.max(longest.get(player) ?? 0, now - before));
    last.set(player, now);
    pictures += 1;
  };
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    draw.apply(this, args);
    shown(this.canvas);
  };
  const ask = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (then) {
    return ask.call(this, (...args) => {
      then(...args);
      shown(this);
    });
  };
  window.begin = () => {
    longest = new Map();
    pictures = 0;
    since = performance.now();
    // What was shown last is what the first gap is counted from.
    last = new Map(last);
  };
  window.told = () => {
    const now = performance.now();
    const players = [...document.querySelectorAll('abanico-player')];
    const gaps = players.map((player) => Math.max(longest.get(player) ?? 0, now - (last.get(player) ?? since)));
    return {
      gaps: gaps.map(Math.round),
      perSecond: pictures / players.length / ((now - since) / 1_000),
    };
  };
}
