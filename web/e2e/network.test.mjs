// Cuts, and what comes back by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEMO,
  goLive,
  isMoving,
  openPage,
  prefer,
  SOCKETIO,
  startBrowser,
  startServer,
  startWire,
  TEST_MAX,
  untilState,
  VIDEO,
} from './house.mjs';

for (const [name, choices] of [
  ['pictures', DEMO],
  ['video', VIDEO],
]) {
  test(`${name}: a viewer who is cut off says so and comes back by itself`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const wire = await startWire(t, server.port);
    const browser = await startBrowser(t);
    const publisher = await openPage(browser);
    const link = await goLive(publisher, server.origin, { ...choices, ...SOCKETIO });
    const viewer = await openPage(browser);
    await prefer(viewer, SOCKETIO);
    await viewer.goto(link.replace(server.origin, wire.origin));
    await untilState(viewer, 'playing');
    wire.cut();
    await untilState(viewer, 'reconnecting');
    wire.mend();
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    await publisher.locator('live-numbers[data-viewers="1"]').waitFor();
  });

  test(`${name}: a publisher who is cut off comes back to the same stream by itself`, TEST_MAX, async (t) => {
    const server = await startServer(t, ['--publisher-grace', '60s']);
    const wire = await startWire(t, server.port);
    const browser = await startBrowser(t);
    const publisher = await openPage(browser);
    const link = await goLive(publisher, wire.origin, choices);
    const viewer = await openPage(browser);
    await viewer.goto(link.replace(wire.origin, server.origin));
    await untilState(viewer, 'playing');
    wire.cut();
    await untilState(viewer, 'lost');
    await publisher.locator('.desk[data-state="reconnecting"]').waitFor();
    wire.mend();
    await publisher.locator('.desk[data-state="live"]').waitFor();
    await untilState(viewer, 'playing');
    assert.equal(await publisher.locator('share-card').getAttribute('data-url'), link);
    assert.ok(await isMoving(viewer), 'the picture stands still');
  });
}

test('pictures: on an uplink that is too slow fewer are sent, and the picture goes on', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server.port);
  const publisher = await openPage(await startBrowser(t));
  const link = await goLive(publisher, wire.origin, { ...DEMO, source: 'test' });
  const viewer = await openPage(await startBrowser(t));
  await viewer.goto(link.replace(wire.origin, server.origin));
  await untilState(viewer, 'playing');
  wire.slow(60_000);
  await publisher.waitForFunction(() => Number(document.querySelector('live-numbers').dataset.dropped) >= 25);
  assert.ok(await isMoving(viewer), 'the picture stands still');
});

test('video: on an uplink that is too slow the recorder begins anew with less, and says so', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server.port);
  const publisher = await openPage(await startBrowser(t));
  const link = await goLive(publisher, wire.origin, { ...VIDEO, source: 'test', quality: '360p', microphone: 'off' });
  const viewer = await openPage(await startBrowser(t));
  await viewer.goto(link.replace(wire.origin, server.origin));
  await untilState(viewer, 'playing');
  wire.slow(40_000);
  await publisher.locator('.message', { hasText: 'sending less' }).waitFor();
  wire.slow(Number.POSITIVE_INFINITY);
  await untilState(viewer, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
});
