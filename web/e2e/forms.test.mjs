// Publishers that are not ours: what the design document's clients send, in every form they send it, plays in our viewer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import {
  isMoving,
  openPage,
  player,
  prefer,
  SOCKETIO,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
} from './house.mjs';

/** A client as anybody would write it from StreamHub's contract: no token, no capture time. */
async function foreignPublisher(t, origin) {
  const socket = io(origin);
  t.after(() => socket.disconnect());
  const answer = (event) => new Promise((resolve) => socket.once(event, resolve));
  socket.emit('user:register', { username: 'Foreign', role: 'STREAMER' });
  await answer('user:registered');
  socket.emit('stream:create');
  const { stream } = await answer('stream:created');
  socket.emit('stream:start', { streamKey: stream.streamKey });
  await answer('stream:started');
  return {
    streamKey: stream.streamKey,
    send(data) {
      socket.emit('stream:data:send', { streamKey: stream.streamKey, data });
    },
  };
}

/** Runs in a page: draws something that moves and hands it over as `made(dataUrl)`, as pictures (JPEG or `png`) or as a recording. */
function draw(kind) {
  const canvas = document.createElement('canvas');
  canvas.width = 320;
  canvas.height = 180;
  document.body.append(canvas);
  const context = canvas.getContext('2d');
  let number = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${number * 7} 80% 50%)`;
    context.fillRect(0, 0, 320, 180);
    context.fillStyle = '#fff';
    context.fillRect((number * 9) % 320, 40, 60, 100);
    number += 1;
    if (kind === 'pictures' && number % 2 === 0) window.made(canvas.toDataURL('image/jpeg', 0.7));
    if (kind === 'png' && number % 2 === 0) window.made(canvas.toDataURL('image/png'));
  }, 50);
  if (kind !== 'recording') return;
  const recorder = new MediaRecorder(canvas.captureStream(20), {
    mimeType: 'video/webm;codecs=vp8',
    videoKeyFrameIntervalDuration: 1000,
  });
  let order = Promise.resolve();
  recorder.ondataavailable = ({ data }) => {
    order = order.then(
      () =>
        new Promise((resolve) => {
          const reader = new FileReader();
          reader.onload = () => resolve(window.made(reader.result));
          reader.readAsDataURL(data);
        }),
    );
  };
  recorder.start(500);
  // Nothing else holds it, and what nothing holds may be collected while it runs.
  window.recorder = recorder;
}

const bare = (dataUrl) => dataUrl.slice(dataUrl.indexOf(';base64,') + ';base64,'.length);

for (const kind of ['pictures', 'recording']) {
  for (const [form, shape] of [
    ['data URLs', (dataUrl) => dataUrl],
    ['bare base64', bare],
    ['binary', (dataUrl) => Buffer.from(bare(dataUrl), 'base64')],
  ]) {
    test(
      `${kind} as ${form}: an early viewer, a late one and one of single frames see them move`,
      TEST_MAX,
      async (t) => {
        const server = await startServer(t);
        const publisher = await foreignPublisher(t, server.origin);
        const browser = await startBrowser(t);
        const early = await openPage(browser);
        await prefer(early, SOCKETIO);
        await early.goto(`${server.origin}/viewer.html?key=${publisher.streamKey}`);
        await untilState(early, 'waiting');

        const studio = await openPage(await startBrowser(t));
        await studio.exposeFunction('made', (dataUrl) => publisher.send(shape(dataUrl)));
        await studio.evaluate(draw, kind);
        await untilState(early, 'playing');
        assert.ok(await isMoving(early), 'the picture stands still');
        assert.equal((await player(early)).path, kind === 'pictures' ? 'picture' : 'webm');

        const late = await openPage(browser);
        await prefer(late, SOCKETIO);
        await late.goto(`${server.origin}/watch/${publisher.streamKey}`);
        await untilState(late, 'playing');
        assert.ok(await isMoving(late), 'the picture stands still');
        const frames = await openPage(browser);
        await frames.goto(`${server.origin}/watch/${publisher.streamKey}`);
        const single = kind === 'pictures' ? 'jpeg' : 'webcodecs';
        await frames.locator(`abanico-player[state="playing"][data-path="${single}"]`).waitFor();
        assert.ok(await isMoving(frames), 'the picture stands still');
        for (const page of [early, late, frames]) assert.deepEqual(page.complaints, []);
      },
    );
  }
}

test(
  'pictures that are no JPEG have no frames: they are shown over Socket.IO, and why is said',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t);
    const publisher = await foreignPublisher(t, server.origin);
    const browser = await startBrowser(t);
    const studio = await openPage(browser);
    await studio.exposeFunction('made', (dataUrl) => publisher.send(dataUrl));
    await studio.evaluate(draw, 'png');
    const viewer = await openPage(browser);
    await viewer.goto(`${server.origin}/watch/${publisher.streamKey}`);
    await viewer.locator('abanico-player[state="playing"][data-path="picture"][data-fallback="no-frames"]').waitFor();
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.deepEqual(viewer.complaints, []);
  },
);
