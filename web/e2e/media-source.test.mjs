// MediaSource over plain HTTP: after a cut of the line, and as iPhones have it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  goLive,
  isMoving,
  LIVE,
  moreFrames,
  openPage,
  player,
  startBrowser,
  startServer,
  startWire,
  TEST_MAX,
  untilState,
} from './house.mjs';

test('the first picture of MediaSource waits for no timer', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.addInitScript(() => {
    window.setInterval = () => 0;
  });
  await viewer.goto(`${link}?transport=mse`);
  await untilState(viewer, 'playing');
});

test('a viewer of MediaSource who is cut off comes back by itself, over MediaSource', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server.port);
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.goto(`${wire.origin}${new URL(link).pathname}?transport=mse`);
  await untilState(viewer, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
  wire.cut();
  await untilState(viewer, 'reconnecting');
  wire.mend();
  await untilState(viewer, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.equal((await player(viewer)).path, 'mse');
});

test('a managed MediaSource is given media while it wants some, and none while it does not', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.addInitScript(manage);
  await viewer.goto(`${link}?transport=mse`);
  await viewer.waitForFunction(() => window.managed?.isOpen);
  // It has not asked yet.
  await viewer.evaluate(() => window.managed.want(true));
  await untilState(viewer, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await viewer.evaluate(() => window.managed.want(false));
  await viewer.waitForFunction(() => window.managed.video().readyState < HTMLMediaElement.HAVE_FUTURE_DATA);
  await viewer.evaluate(() => window.managed.want(true));
  await moreFrames(viewer, 20);
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.deepEqual(await viewer.evaluate(() => window.managed.complaints), []);
  assert.equal((await player(viewer)).path, 'mse');
});

/** Runs in the viewer's page: takes MediaSource away and puts one there that is managed by the test. */
function manage() {
  const Plain = window.MediaSource;
  delete window.MediaSource;
  const managed = {
    complaints: [],
    isOpen: false,
    video: () => document.querySelector('abanico-player').shadowRoot.querySelector('video'),
    want(streaming) {
      managed.source.streaming = streaming;
      managed.source.dispatchEvent(new Event(streaming ? 'startstreaming' : 'endstreaming'));
    },
  };
  window.managed = managed;
  window.ManagedMediaSource = class extends Plain {
    streaming = false;

    constructor() {
      super();
      managed.source = this;
    }

    addSourceBuffer(type) {
      const buffer = super.addSourceBuffer(type);
      const append = buffer.appendBuffer.bind(buffer);
      buffer.appendBuffer = (bytes) => {
        if (!this.streaming) managed.complaints.push('it is given media that it does not want');
        if (!managed.video().disableRemotePlayback) managed.complaints.push('remote playback is not disabled');
        append(bytes);
      };
      managed.isOpen = true;
      return buffer;
    }
  };
}
