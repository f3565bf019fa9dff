// What a client at the native door may send, and what the operator sees of viewers: over the wire.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Server } from '../streamhub/node.mjs';
import { Native, vp8 } from './native.mjs';
import { Get, tidy } from './peers.mjs';

const VP8 = { type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'vp8', width: 160, height: 120 }] };

let server;
before(async () => {
  server = await Server.start({
    args: ['--frame-bytes-max', '128KiB', '--lag-bytes-max', '512KiB'],
    env: { ABANICO_LOG: 'warn,abanico::viewers=debug' },
  });
});
after(async () => {
  await server.stop();
  await tidy();
});

async function publisher(t, key) {
  const one = await Native.publish(server, key);
  t.after(() => one.close());
  await one.heard('ready');
  one.say(VP8);
  return one;
}

async function viewer(t, key) {
  const one = await Native.watch(server, key);
  t.after(() => one.close());
  one.say({ type: 'clock', id: 'joined' });
  await one.heard('clock');
  return one;
}

async function detail(viewers) {
  const { distribution } = await server.json('/health');
  return distribution.streamDetails.find((stream) => stream.viewers === viewers);
}

test('a viewer has little to say, and is closed if it says more', async (t) => {
  await publisher(t, 'little');
  for (const [words, code, why] of [
    [{ type: 'clock', id: 'x'.repeat(5_000) }, 1009],
    [{ type: 'clock', id: 'x'.repeat(65) }, 4400, /up to 64/],
    [{ type: 'clock', id: { deep: [] } }, 4400, /up to 64/],
  ]) {
    const one = await viewer(t, 'little');
    one.say(words);
    const closed = await one.ended();
    assert.equal(closed.code, code);
    if (why) assert.match((await one.heard('error')).message, why);
  }
  const one = await viewer(t, 'little');
  for (const id of [7, 'x'.repeat(64)]) {
    one.say({ type: 'clock', id });
    await one.until(() => one.texts.find((text) => text.type === 'clock' && text.id === id), 'it has the time');
  }
});

test('texts without end are ended, at both ends of a stream', async (t) => {
  const from = await publisher(t, 'texts');
  const to = await viewer(t, 'texts');
  for (const one of [to, from]) {
    for (let n = 0; n < 1_000; n++) one.say({ type: 'clock', id: n });
    const closed = await one.ended();
    assert.equal(closed.code, 4400);
    assert.equal((await one.heard('error')).code, 'too-many');
  }
});

test('a frame is as large as the setting says, and no larger', async (t) => {
  const [key] = await vp8(1);
  const from = await publisher(t, 'large');
  const to = await viewer(t, 'large');
  const padded = (bytes) => ({ keyframe: true, payload: Buffer.concat([key.payload, Buffer.alloc(bytes)]) });
  from.frame(padded(120_000), 0);
  await to.got(1);
  from.frame(padded(140_000), 33_333);
  assert.equal((await from.ended()).code, 1009);
});

test('what a viewer is moved past that stopped reading is counted, and told when it goes', async (t) => {
  const frames = (await vp8(60)).map(({ keyframe, payload }) => ({
    keyframe,
    payload: Buffer.concat([payload, Buffer.alloc(100_000)]),
  }));
  const from = await publisher(t, 'stalled');
  const to = await viewer(t, 'stalled');
  from.frame(frames[0], 0);
  await to.got(1);
  to.socket.pause();
  for (let round = 0, at = 1; round < 10; round++) {
    for (const frame of frames) from.frame(frame, at++ * 33_333);
    from.say({ type: 'clock', id: round });
    await from.until(() => from.texts.find((text) => text.type === 'clock' && text.id === round), 'all was taken');
  }
  to.socket.resume();
  const { frames: skipped } = await to.heard('skipped');
  assert.ok(skipped > 0);
  await server.until(async () => (await detail(1))?.skipped >= skipped);
  to.close();
  await server.until(async () => {
    await server.json('/health');
    return /a viewer has gone.*sta….*skipped.*[1-9]/.test(server.log);
  });
});

test('who goes while it is sent everything is told of in the log with all that it had, at any door', async (t) => {
  const FRAMES = 40;
  const delivered = async (start) => {
    let had;
    await server.until(async () => {
      await server.json('/health');
      had = server.log.match(new RegExp(`a viewer has gone.*key="?${start}.*delivered=(\\d+) skipped=0`))?.[1];
      return had;
    });
    return Number(had);
  };
  // What was announced with the first frame is a packet, too.
  const all = (had) => assert.ok(had >= FRAMES && had <= FRAMES + 2, `${had} of ${FRAMES}`);

  const frames = await vp8(FRAMES);
  const from = await publisher(t, 'departed');
  const to = await viewer(t, 'departed');
  for (const [n, frame] of frames.entries()) {
    from.frame(frame, n * 33_333);
    await to.got(n + 1);
  }
  to.close();
  all(await delivered('depa'));

  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  for (let n = 0; n < FRAMES; n++) {
    ada.send(`frame ${n}`);
    await bob.next('stream:data');
  }
  bob.cut();
  all(await delivered(ada.key.slice(0, 4)));
});

test('who waits for the first frame of a stream that ends without one is told that it ended', async () => {
  const from = await Native.publish(server, 'empty');
  await from.heard('ready');
  const get = Get.open(server, '/live/empty.webm');
  await from.until(() => from.texts.some((text) => text.type === 'viewers' && text.count === 1), 'somebody waits');
  from.say({ type: 'end' });
  assert.equal((await get).status, 410);
});

test('who gives up while it waits for the first frame leaves its place at once, on either way to the answer', async (t) => {
  const small = await Server.start({ args: ['--stream-viewers-max', '2'] });
  t.after(() => small.stop());
  const from = await Native.publish(small, 'ghosts');
  t.after(() => from.close());
  await from.heard('ready');
  const count = (count, since) =>
    from.until(() => from.texts.slice(since).some((text) => text.type === 'viewers' && text.count === count), `${count} wait`, 5_000);
  // The first has its own session behind the socket; the second, which speaks of a body, is hyper's.
  for (const header of ['', 'Content-Length: 0\r\n']) {
    const before = from.texts.length;
    const waiting = [1, 2].map(() => net.connect(small.port, '127.0.0.1'));
    for (const socket of waiting) socket.write(`GET /live/ghosts.mp4 HTTP/1.1\r\nHost: x\r\n${header}\r\n`);
    await count(2, before);
    assert.equal((await fetch(`${small.url}/live/ghosts.mp4`)).status, 503, 'there is room for two');
    const full = from.texts.length;
    for (const socket of waiting) socket.destroy();
    // Long before the server gives up waiting for a frame.
    await count(0, full);
  }
  const get = Get.open(small, '/live/ghosts.webm');
  await count(1, from.texts.length);
  from.say(VP8);
  for (const frame of await vp8(1)) from.frame(frame, 0);
  assert.equal((await get).status, 200);
});

test('viewers who are refused together are told different times to come again, at every door', async (t) => {
  const small = await Server.start({ args: ['--stream-viewers-max', '1'] });
  t.after(() => small.stop());
  const ada = await small.publisher();
  const bob = await small.viewer(ada.key, 'bob');
  await differ('Socket.IO', async (n) => {
    const one = await small.user(`viewer ${n}`);
    one.emit('stream:join', { streamKey: ada.key });
    return (await one.next('stream:error')).retryAfterMs / 1_000;
  });
  await differ('the native door', async () => {
    const one = await Native.watch(small, ada.key);
    assert.equal((await one.ended()).code, 4503);
    return (await one.heard('error')).retryAfterMs / 1_000;
  });
  await differ('HTTP', async () => {
    const answer = await fetch(`${small.url}/live/${ada.key}.mp4`);
    assert.equal(answer.status, 503);
    return Number(answer.headers.get('retry-after'));
  });
  assert.deepEqual(bob.all('stream:error'), []);

  async function differ(door, refusedAfter) {
    const times = await Promise.all(Array.from({ length: 20 }, (_, n) => refusedAfter(n)));
    assert.ok(times.every((time) => time >= 5 && time <= 10), `${door}: ${times}`);
    assert.ok(new Set(times).size > 1, `${door}: ${times}`);
  }
});
