// What ffmpeg publishes with PUT, seen in Chromium: by plain elements, by MediaSource, and by our own page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../streamhub/node.mjs';
import { launchBrowser, openPage } from './chromium.mjs';
import { publish as publishTo } from './peers.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

const publish = (t, kind, key, isUneven) => publishTo(t, server, kind, key, isUneven);
const page = (t) => openPage(t, browser, server);

const ELEMENTS = [
  ['WebM VP8', 'webm'],
  ['WebM VP9', 'mp4'],
  ['fMP4 H.264', 'mp4'],
];

for (const [kind, ending] of ELEMENTS) {
  test(`a plain video element plays .${ending} of ${kind}`, { timeout: 40_000 }, async (t) => {
    const key = `element-${ending}-${kind.length}`;
    await publish(t, kind, key);
    const viewer = await page(t);
    const seen = await viewer.evaluate(async (url) => {
      const video = Object.assign(document.createElement('video'), { src: url, muted: true, autoplay: true });
      document.body.append(video);
      const begun = performance.now();
      await new Promise((resolve, reject) => {
        video.requestVideoFrameCallback(resolve);
        video.onerror = () => reject(new Error(video.error.message));
      });
      const first = performance.now() - begun;
      const from = video.currentTime;
      await new Promise((resolve) => {
        video.ontimeupdate = () => video.currentTime > from + 0.5 && resolve();
      });
      return { width: video.videoWidth, first };
    }, `${server.url}/live/${key}.${ending}`);
    assert.equal(seen.width, 320);
    t.diagnostic(`first picture after ${Math.round(seen.first)} ms`);
  });
}

test('an image element shows a stream of pictures that moves', { timeout: 40_000 }, async (t) => {
  await publish(t, 'JPEG', 'element-jpeg');
  const viewer = await page(t);
  const seen = await viewer.evaluate(async (url) => {
    const image = Object.assign(document.createElement('img'), { src: url, crossOrigin: 'anonymous' });
    document.body.append(image);
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const different = new Set();
    while (different.size < 4) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      if (!image.naturalWidth) continue;
      context.drawImage(image, 0, 0);
      different.add(context.getImageData(0, 0, 300, 150).data.reduce((sum, value, n) => (sum * 31 + value * n) % 1e9, 7));
    }
    return image.naturalWidth;
  }, `${server.url}/live/element-jpeg.mjpeg`);
  assert.equal(seen, 320);
});

const UNEVEN = true;
for (const [kind, ending, type, isUneven] of [
  ['WebM VP8', 'webm', 'video/webm;codecs="vp8,opus"'],
  ['Matroska H.264', 'mp4', 'video/mp4;codecs="avc1.42C00D,opus"'],
  ['WebM AV1', 'mp4', 'video/mp4;codecs="av01.0.00M.08,opus"'],
  ['WebM VP8', 'webm', 'video/webm;codecs="vp8,opus"', UNEVEN],
  ['Matroska H.264', 'mp4', 'video/mp4;codecs="avc1.42C00D,opus"', UNEVEN],
]) {
  const name = `MediaSource takes .${ending} of ${kind} ${isUneven ? 'whose publisher leaves pictures out' : 'as it comes'}`;
  test(name, { timeout: 40_000 }, async (t) => {
    const key = `source-${ending}-${kind.length}-${isUneven ? 'uneven' : 'even'}`;
    await publish(t, kind, key, isUneven);
    const viewer = await page(t);
    const seen = await viewer.evaluate(
      async ([url, type, atLeast]) => {
        const video = Object.assign(document.createElement('video'), { muted: true });
        document.body.append(video);
        const media = new MediaSource();
        video.src = URL.createObjectURL(media);
        await new Promise((resolve) => media.addEventListener('sourceopen', resolve, { once: true }));
        const buffer = media.addSourceBuffer(type);
        const reader = (await fetch(url)).body.getReader();
        const begun = performance.now();
        let first = 0;
        video.requestVideoFrameCallback(() => (first = performance.now() - begun));
        let from;
        while (from === undefined || video.currentTime < from + atLeast || !first) {
          const { value, done } = await reader.read();
          if (done) throw new Error('it ended');
          buffer.appendBuffer(value);
          await new Promise((resolve, reject) => {
            buffer.onupdateend = resolve;
            buffer.onerror = () => reject(new Error('append failed'));
          });
          if (video.paused && buffer.buffered.length) {
            from = buffer.buffered.start(0);
            video.currentTime = from;
            video.play();
          }
          if (video.error) throw new Error(video.error.message);
        }
        return { ranges: buffer.buffered.length, first };
      },
      [`${server.url}/live/${key}.${ending}`, type, isUneven ? 2.5 : 0.5],
    );
    assert.equal(seen.ranges, 1, 'the timeline has no gap');
    t.diagnostic(`first picture after ${Math.round(seen.first)} ms`);
  });
}

test('our page shows what ffmpeg publishes', { timeout: 60_000 }, async (t) => {
  await publish(t, 'WebM VP8', 'page');
  const viewer = await browser.newPage();
  t.after(() => viewer.close());
  await viewer.goto(`${server.url}/watch/page`);
  await viewer.waitForFunction(() => {
    const all = (root) => [...root.querySelectorAll('*')].flatMap((node) => [node, ...(node.shadowRoot ? all(node.shadowRoot) : [])]);
    return all(document).some((node) => (node.tagName === 'VIDEO' && node.videoWidth === 320 && node.currentTime > 0) || (node.tagName === 'CANVAS' && node.width === 320));
  }, undefined, { timeout: 40_000 });
});
