// How long a person waits for the first picture, in Chromium. Not part of the tests: it measures.
//
//   node web/measure/first-picture.mjs [--joins 20] [--publishers frames,recording,pictures,whip] [--ways webcodecs,mse,socketio,whep]
//     [--keyframes 60] [--codec vp9|vp8|h264|av1] [--seed 1]
//
// Publishers of 640×480 at 30 pictures a second: `frames` is our own page, which encodes and answers requests for
// keyframes; `recording` PUTs a WebM (a keyframe every `--keyframes` pictures) and cannot be asked; `pictures` sends
// JPEG over the native door. `whip` is a bare page that sends WebRTC. To each come viewers, one after the other, at random moments, in a page that has the script
// already; nobody else watches. Each wait goes from the birth of an `<abanico-player>` (before any connection) to its first
// picture on the surface: a canvas that was drawn on, or the video's frame callback. `whep` is a bare page, from before its
// offer is made to the video's frame callback; the worst of its joins is told step by step.
//
// Prints a line of JSON for each publisher and way. ABANICO_BIN names the server's binary, ABANICO_CHROMIUM the browser.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { openPage, prefer, startBrowser, startServer } from '../e2e/house.mjs';
import { publishPictures } from './bare.mjs';
import { watchOthers } from './others.mjs';
import { paintedCamera } from './probe.mjs';
import { publishWhip } from './whip.mjs';

const { values } = parseArgs({
  options: {
    joins: { type: 'string', default: '20' },
    publishers: { type: 'string', default: 'frames,recording,pictures' },
    ways: { type: 'string', default: 'webcodecs,mse,socketio' },
    keyframes: { type: 'string', default: '60' },
    codec: { type: 'string', default: 'vp9' },
    seed: { type: 'string', default: '1' },
  },
});
/** The longest that a viewer lets pass before the next one comes. */
const PAUSE_MS = 1_000;
const SIZE = { width: 640, height: 480, framesPerSecond: 30 };

let seed = Number(values.seed);
function random() {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

const LIBVPX = ['-deadline', 'realtime', '-cpu-used', '8'];
/** What ffmpeg makes a recording's picture with. H.264 travels in Matroska, as WebM has no place for it. */
const ENCODERS = {
  vp8: ['-c:v', 'libvpx', ...LIBVPX],
  vp9: ['-c:v', 'libvpx-vp9', '-lag-in-frames', '0', ...LIBVPX],
  h264: [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-tune',
    'zerolatency',
    '-profile:v',
    'baseline',
    '-pix_fmt',
    'yuv420p',
  ],
  av1: ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-row-mt', '1'],
};
if (!ENCODERS[values.codec]) throw new Error(`--codec ${values.codec} is none of ${Object.keys(ENCODERS).join(', ')}`);

const PUBLISHERS = {
  /** A bare page by WHIP, in the codec that was asked for. */
  async whip(house, browser, origin) {
    const page = await openPage(browser);
    await page.addInitScript(paintedCamera, SIZE);
    await publishWhip(page, origin, 'whip', 1_400_000, values.codec);
    house.after(() => page.close());
    return 'whip';
  },
  async frames(house, browser, origin) {
    const page = await openPage(browser);
    await page.addInitScript(paintedCamera, SIZE);
    await prefer(page, { mode: 'live', quality: '480p', source: 'camera', name: 'First', microphone: 'off' });
    await page.goto(`${origin}/streamer.html`);
    await page.locator('#start').click();
    await page.waitForFunction(() => Number(document.querySelector('live-numbers')?.dataset.sent) > 0);
    house.after(() => page.close());
    const link = await page.locator('share-card').getAttribute('data-url');
    return new URL(link).pathname.split('/').at(-1);
  },
  async recording(house, _browser, origin) {
    const folder = await mkdtemp(join(os.tmpdir(), 'abanico-first-'));
    house.after(() => rm(folder, { recursive: true, force: true }));
    const film = join(folder, 'film.mkv');
    const quiet = ['-hide_banner', '-loglevel', 'error'];
    const source = ['-f', 'lavfi', '-i', 'testsrc2=size=640x480:rate=30', '-t', '30', '-g', values.keyframes];
    await promisify(execFile)('ffmpeg', [...quiet, ...source, ...ENCODERS[values.codec], '-b:v', '1400k', film]);
    const input = ['-re', '-stream_loop', '-1', '-i', film, '-c', 'copy'];
    const output = [
      '-f',
      values.codec === 'h264' ? 'matroska' : 'webm',
      '-live',
      '1',
      '-cluster_time_limit',
      '1',
      '-flush_packets',
      '1',
      '-method',
      'PUT',
    ];
    const child = spawn('ffmpeg', [...quiet, ...input, ...output, `${origin}/live/recording`], { stdio: 'inherit' });
    house.after(async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    });
    return 'recording';
  },
  async pictures(house, browser, origin) {
    const page = await openPage(browser, { bypassCSP: true });
    await page.addInitScript(paintedCamera, SIZE);
    await page.goto(`${origin}/health`);
    await publishPictures(page, origin, 'pictures');
    house.after(() => page.close());
    return 'pictures';
  },
};

/** Runs in the viewer's page: one person comes, sees a picture and goes. */
async function joinOnce({ streamKey, transport }) {
  const player = document.createElement('abanico-player');
  Object.assign(player, { streamKey, transport, muted: true, autoplay: true });
  const seen = new Promise((resolve, reject) => {
    player.addEventListener('error', ({ detail }) => reject(new Error(detail?.kind)));
    player.addEventListener('stats', ({ detail }) => detail.firstPictureMs !== undefined && resolve(detail));
  });
  document.body.append(player);
  const { firstPictureMs, path } = await seen;
  player.remove();
  return { firstPictureMs, path };
}

/** Runs in the viewer's page: the same over WHEP, and how far it was when. */
async function joinWhep({ streamKey }) {
  const begun = performance.now();
  const steps = {};
  const step = (name) => (steps[name] ??= Math.round(performance.now() - begun));
  const peer = new RTCPeerConnection();
  const { receiver } = peer.addTransceiver('video', { direction: 'recvonly' });
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
  document.body.append(video);
  peer.ontrack = ({ track }) => (video.srcObject = new MediaStream([track]));
  peer.oniceconnectionstatechange = () => step(`ice ${peer.iceConnectionState}`);
  peer.onconnectionstatechange = () => step(peer.connectionState);
  const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  await peer.setLocalDescription();
  step('offered');
  const headers = { 'Content-Type': 'application/sdp' };
  const answer = await fetch(`/whep/${streamKey}`, { method: 'POST', headers, body: peer.localDescription.sdp });
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  step('answered');
  receiver.track.onunmute = () => step('first packet');
  await shown;
  const firstPictureMs = step('shown');
  const inbound = [...(await receiver.getStats()).values()].find(({ type }) => type === 'inbound-rtp');
  const { packetsLost, pliCount, keyFramesDecoded, framesReceived, framesDropped } = inbound;
  peer.close();
  video.remove();
  await fetch(answer.headers.get('location'), { method: 'DELETE' });
  return {
    firstPictureMs,
    path: 'whep',
    steps: { ...steps, packetsLost, pliCount, keyFramesDecoded, framesReceived, framesDropped },
  };
}

function told(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: Math.round(sorted[Math.floor((sorted.length - 1) / 2)]), max: Math.round(sorted.at(-1)) };
}

async function measure(publisher) {
  const ends = [];
  const house = { after: (end) => ends.unshift(end) };
  try {
    const browser = await startBrowser(house, ['--autoplay-policy=no-user-gesture-required']);
    const { origin } = await startServer(house);
    const streamKey = await PUBLISHERS[publisher](house, browser, origin);
    const viewer = await openPage(browser, { bypassCSP: true });
    await viewer.goto(`${origin}/health`);
    await viewer.addScriptTag({ url: `${origin}/abanico.js` });
    for (const transport of values.ways.split(',')) {
      // Pictures are played by nothing that is called MediaSource.
      if (publisher === 'pictures' && transport === 'mse') continue;
      // The first one waits until there is a stream, and loads what is loaded once.
      const join = transport === 'whep' ? joinWhep : joinOnce;
      if (publisher === 'pictures' && transport === 'whep') continue;
      await viewer.evaluate(join, { streamKey, transport });
      const others = watchOthers();
      const joins = [];
      for (let n = 0; n < Number(values.joins); n++) {
        await viewer.waitForTimeout(random() * PAUSE_MS);
        joins.push(await viewer.evaluate(join, { streamKey, transport }));
      }
      const ms = told(joins.map(({ firstPictureMs }) => firstPictureMs));
      console.log(
        JSON.stringify({
          publisher,
          way: joins[0].path,
          joins: joins.length,
          ms,
          worst: joins.toSorted((a, b) => b.firstPictureMs - a.firstPictureMs)[0].steps,
          others: others(),
          load: os.loadavg()[0],
        }),
      );
    }
  } finally {
    for (const end of ends) await end();
  }
}

for (const publisher of values.publishers.split(',')) await measure(publisher);
