// Decoders that break while a stream is watched.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goLive, isMoving, LIVE, openPage, player, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

async function watch(t, isBroken) {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.addInitScript(breakDecoders, isBroken);
  await viewer.goto(link);
  return viewer;
}

test('a decoder that breaks in mid-stream is replaced, and the picture moves again', TEST_MAX, async (t) => {
  const viewer = await watch(t, 'count === 30');
  await untilState(viewer, 'playing');
  await viewer.waitForFunction(() => window.broken === 1);
  assert.ok(await isMoving(viewer), 'the picture stands still');
  const { path, fallback } = await player(viewer);
  assert.deepEqual([path, fallback], ['webcodecs', undefined]);
  assert.deepEqual(viewer.complaints, []);
});

test('where decoders break from some time on, MediaSource is taken and why is said', TEST_MAX, async (t) => {
  const viewer = await watch(t, 'count >= 30');
  await viewer.locator('abanico-player[state="playing"][data-path="mse"][data-fallback="broken"]').waitFor();
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.ok((await viewer.evaluate(() => window.broken)) >= 3);
  assert.deepEqual(viewer.complaints, []);
});

/** Runs in the viewer's page: in its workers the `count`-th frame that is decoded is garbage, if `isBroken` says so. */
function breakDecoders(isBroken) {
  window.broken = 0;
  new BroadcastChannel('broken').onmessage = () => {
    window.broken += 1;
  };
  const prefix = `{
    const Decoder = self.VideoDecoder;
    const channel = new BroadcastChannel('broken');
    let count = 0;
    if (Decoder) self.VideoDecoder = class extends Decoder {
      constructor({ output, error }) {
        super({ output, error: (what) => { channel.postMessage(0); error(what); } });
      }
      decode(chunk) {
        count += 1;
        if (!(${isBroken})) return super.decode(chunk);
        super.decode(new EncodedVideoChunk({
          type: chunk.type, timestamp: chunk.timestamp, duration: chunk.duration, data: new Uint8Array(64).fill(0xff),
        }));
      }
    };
  }\n`;
  const Plain = window.Blob;
  window.Blob = class extends Plain {
    constructor(parts = [], options = {}) {
      super(options.type?.includes('javascript') ? [prefix, ...parts] : parts, options);
    }
  };
}
