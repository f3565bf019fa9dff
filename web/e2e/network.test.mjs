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

/** Runs in a page: counts the media that it hands to its WebSocket. */
function countSent() {
  window.handedOver = { messages: 0, bytes: 0 };
  const send = WebSocket.prototype.send;
  let isMedia = false;
  WebSocket.prototype.send = function (data) {
    // An event's words come before its bytes.
    if (typeof data === 'string') isMedia = data.includes('"stream:data:send"');
    else if (isMedia) {
      window.handedOver.messages += 1;
      window.handedOver.bytes += data.byteLength ?? data.size;
    }
    return send.call(this, data);
  };
}

/**
 * What a page has handed over and the server has not got, until `isOver`: the most that was ever seen. The server is asked
 * last, so however slow the machine is, what is seen is never more than there was.
 */
async function mostUnderWay(publisher, { origin }, isOver) {
  const most = { messages: 0, bytes: 0 };
  for (let over = false; !over; ) {
    over = await isOver();
    const sent = await publisher.evaluate(() => window.handedOver);
    const { distribution } = await (await fetch(`${origin}/health`)).json();
    const [{ frames, bytes }] = distribution.streamDetails;
    most.messages = Math.max(most.messages, sent.messages - frames);
    most.bytes = Math.max(most.bytes, sent.bytes - bytes);
  }
  return most;
}

test(
  'pictures: on an uplink that is too slow fewer are sent, and what is sent does not pile up',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t);
    const wire = await startWire(t, server.port);
    const publisher = await openPage(await startBrowser(t));
    await publisher.addInitScript(countSent);
    const link = await goLive(publisher, wire.origin, { ...DEMO, source: 'test' });
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(link.replace(wire.origin, server.origin));
    await untilState(viewer, 'playing');
    wire.slow(60_000);
    const dropped = () => publisher.evaluate(() => Number(document.querySelector('live-numbers').dataset.dropped));
    const most = await mostUnderWay(publisher, server, async () => (await dropped()) >= 40);
    // Ten a second are made; what is late is noticed within half a second.
    assert.ok(most.messages > 0 && most.messages <= 8, `${most.messages} pictures were under way`);
    assert.ok(await isMoving(viewer), 'the picture stands still');
  },
);

test(
  'video: on an uplink that is too slow the recorder begins anew with less, before much piles up',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t);
    const wire = await startWire(t, server.port);
    const publisher = await openPage(await startBrowser(t));
    await publisher.addInitScript(countSent);
    const link = await goLive(publisher, wire.origin, { ...VIDEO, source: 'test', quality: '360p', microphone: 'off' });
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(link.replace(wire.origin, server.origin));
    await untilState(viewer, 'playing');
    wire.slow(40_000);
    const less = publisher.locator('.message', { hasText: 'sending less' });
    const most = await mostUnderWay(publisher, server, () => less.isVisible());
    // A second and a half of what the recorder is asked for, and a keyframe.
    assert.ok(most.bytes > 0 && most.bytes <= 300_000, `${most.bytes} bytes were under way`);
    wire.slow(Number.POSITIVE_INFINITY);
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
  },
);
