// The native door, end to end: frames from the camera to the canvas, and what happens when something is in the way.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import { test } from 'node:test';
import {
  DEMO,
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
  VIDEO,
} from './house.mjs';
import { startRawBrowser } from './raw-browser.mjs';

/** A throttled timer, of one tick a second, does not send so many while `moreFrames` waits for them. */
const PICTURES = 60;
const FRAMES = `Number(document.querySelector('abanico-player')?.dataset.frames)`;

test(
  'frames go from a camera to a canvas, and a late joiner sees them too, and how old they are',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t);
    const publisher = await openPage(await startBrowser(t));
    const link = await goLive(publisher, server.origin, LIVE);
    await publisher.locator('live-numbers[data-way="frames"][data-codec]').waitFor();
    const audience = await startBrowser(t);
    const viewer = await openPage(audience);
    await viewer.goto(link);
    await untilState(viewer, 'playing');
    assert.equal((await player(viewer)).path, 'webcodecs');
    assert.ok(await isMoving(viewer), 'the picture stands still');

    const late = await openPage(audience);
    await late.goto(link);
    await untilState(late, 'playing');
    await moreFrames(late, 20);
    const { firstPictureMs, delayMs, bufferMs } = await player(late);
    assert.ok(Number.isFinite(Number(delayMs)), 'nobody knows how old the picture is');
    t.diagnostic(`first picture after ${firstPictureMs} ms, ${delayMs} ms behind, ${bufferMs} ms of it buffer`);
    await publisher.locator('live-numbers[data-viewers="2"]').waitFor();
    // A page that pauses its player can be played by a click.
    await late.locator('abanico-player').evaluate((element) => element.pause());
    await late.locator('live-badge[state="paused"]').waitFor();
    await untilState(late, 'idle');
    await late.getByLabel('Play', { exact: true }).click();
    await untilState(late, 'playing');
    await moreFrames(late, 5);
    for (const page of [publisher, viewer, late]) assert.deepEqual(page.complaints, []);
  },
);

test('sound is turned on, and the picture goes on with it', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  await viewer.getByRole('button', { name: 'Turn on sound' }).first().click();
  await viewer.locator('abanico-player').evaluate(
    (element) =>
      new Promise((done) => {
        const heard = () => !element.muted && done();
        element.addEventListener('volumechange', heard);
        heard();
      }),
  );
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.equal(await viewer.locator('abanico-player').evaluate((element) => element.muted), false);
  assert.deepEqual(viewer.complaints, []);
});

test('a hidden tab goes on sending frames at full rate', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const studio = await startRawBrowser(t);
  const first = await studio.open(server.origin);
  await first.until(`document.querySelector('#go-live')`);
  await first.evaluate(
    `for (const [name, value] of Object.entries(${JSON.stringify(LIVE)})) localStorage.setItem('abanico.' + name, value)`,
  );
  const tab = await studio.open(`${server.origin}/streamer.html`);
  await tab.until(`document.querySelector('#start')`);
  await tab.evaluate(`document.querySelector('#start').click()`);
  await tab.until(`Number(document.querySelector('live-numbers')?.dataset.sent) > 0`);
  const link = await tab.evaluate(`document.querySelector('share-card').dataset.url`);
  const viewer = await openPage(await startBrowser(t));
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  await first.bringToFront();
  await tab.until('document.hidden');
  await moreFrames(viewer, PICTURES);
  assert.ok(await tab.evaluate('document.hidden'), 'the tab did not stay hidden');
});

test('a viewer that nobody sees asks for no media, and comes back live', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const publisher = await openPage(await startBrowser(t));
  const link = await goLive(publisher, server.origin, LIVE);
  const audience = await startRawBrowser(t);
  const viewer = await audience.open(link);
  await viewer.until(`document.querySelector('abanico-player[state="playing"]')`);
  await audience.open('about:blank');
  await viewer.until('document.hidden');
  const shown = await viewer.evaluate(FRAMES);
  const sent = Number(await publisher.locator('live-numbers').getAttribute('data-sent'));
  await publisher.waitForFunction(
    (wanted) => Number(document.querySelector('live-numbers').dataset.sent) >= wanted,
    sent + PICTURES,
  );
  await viewer.bringToFront();
  const now = await viewer.until(`!document.hidden && ${FRAMES} >= ${shown + 5}`, FRAMES);
  assert.ok(now < shown + PICTURES, 'the backlog is played out');
});

for (const who of ['viewer', 'publisher']) {
  test(`a ${who} who is cut off comes back by itself, on the same stream`, TEST_MAX, async (t) => {
    const server = await startServer(t, ['--publisher-grace', '60s']);
    const wire = await startWire(t, server.port);
    const browser = await startBrowser(t);
    const publisher = await openPage(browser);
    const link = await goLive(publisher, who === 'publisher' ? wire.origin : server.origin, LIVE);
    const viewer = await openPage(browser);
    const near = who === 'viewer' ? wire.origin : server.origin;
    await viewer.goto(near + new URL(link).pathname);
    await untilState(viewer, 'playing');
    wire.cut();
    await untilState(viewer, who === 'viewer' ? 'reconnecting' : 'lost');
    wire.mend();
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.equal((await player(viewer)).path, 'webcodecs');
    assert.equal(await publisher.locator('share-card').getAttribute('data-url'), link);
  });
}

test(
  'without a safe address there is no WebCodecs: MediaSource over HTTP is taken, and why is said',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t, [], '0.0.0.0:0');
    const link = await goLive(await openPage(await startBrowser(t)), server.origin, LIVE);
    // A name that is not localhost, as in a LAN; resolved to this machine.
    const browser = await startBrowser(t, ['--host-resolver-rules=MAP lan.test 127.0.0.1']);
    const viewer = await openPage(browser);
    await viewer.goto(`http://lan.test:${server.port}${new URL(link).pathname}`);
    await viewer.locator('abanico-player[state="playing"][data-path="mse"]').waitFor();
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.equal((await player(viewer)).fallback, 'no-webcodecs');
    await viewer.locator('reception-line summary').click();
    await viewer.getByText('only to safe addresses').waitFor();
    await viewer.getByText('Delay in the player').waitFor();
    assert.deepEqual(viewer.complaints, []);

    // What has no picture is played as what it is: in MediaSource here, in WebCodecs at a safe address.
    const made = `-v error -re -f lavfi -i sine=440 -c:a libopus -f webm -method PUT ${server.origin}/live/tone`;
    const ffmpeg = spawn('ffmpeg', made.split(' '), { stdio: ['pipe', 'ignore', 'inherit'] });
    t.after(() => ffmpeg.kill());
    await viewer.waitForFunction(async () => (await (await fetch('/streams')).json()).streams.length > 1);
    for (const [origin, path] of [
      [server.origin, 'webcodecs'],
      [`http://lan.test:${server.port}`, 'mse'],
    ]) {
      const listener = await openPage(browser);
      await listener.goto(`${origin}/watch/tone`);
      await listener.locator(`abanico-player[state="playing"][data-path="${path}"]`).waitFor();
      await listener.getByText('Sound only: this stream has no picture.').waitFor();
      await listener.locator('abanico-player .unmute').click();
      await listener.getByLabel('Volume').waitFor({ state: 'attached' });
      await listener.getByLabel('Mute').waitFor({ state: 'attached' });
      await untilState(listener, 'playing');
      assert.deepEqual(listener.complaints, []);
    }
  },
);

for (const [name, choices, path] of [
  ['a recorder’s video', VIDEO, 'webcodecs'],
  ['pictures', DEMO, 'jpeg'],
]) {
  test(`${name} over Socket.IO come as single frames`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const browser = await startBrowser(t);
    const link = await goLive(await openPage(browser), server.origin, choices);
    const viewer = await openPage(browser);
    await viewer.goto(link);
    await viewer.locator(`abanico-player[state="playing"][data-path="${path}"]`).waitFor();
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.deepEqual(viewer.complaints, []);
    if (choices !== VIDEO) return;

    // As it comes over Socket.IO it is H.264 in Matroska, which MediaSource does not take; HTTP brings it as MP4.
    const other = await openPage(browser);
    await other.goto(`${link}?transport=socketio`);
    await untilState(other, 'unplayable');
    await other
      .getByText('Over Socket.IO this comes as H.264 in Matroska, which this browser does not play.')
      .waitFor();
    await other.locator('watch-ways select').selectOption({ label: 'The best that works' });
    await untilState(other, 'playing');
    assert.ok(await isMoving(other), 'the picture stands still');
    assert.deepEqual(other.complaints, []);
  });
}

test('pause, resume and end are told', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  const link = await goLive(publisher, server.origin, LIVE);
  const viewer = await openPage(browser);
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  await publisher.locator('#pause').click();
  await untilState(viewer, 'paused');
  await publisher.locator('#pause').click();
  await untilState(viewer, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await publisher.locator('#stop').click();
  await publisher.locator('#stop').click();
  await untilState(viewer, 'ended');
  for (const page of [publisher, viewer]) assert.deepEqual(page.complaints, []);
});

test('in anybody’s page one script tag publishes and plays, with events and methods', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const site = http.createServer((request, response) => {
    const body = request.url === '/studio' ? STUDIO : WINDOW.replace('KEY', request.url.slice(1));
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><script src="${server.origin}/abanico.js"></script>${body}`);
  });
  await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
  t.after(() => site.close());
  const origin = `http://127.0.0.1:${site.address().port}`;
  const browser = await startBrowser(t);
  const studio = await openPage(browser);
  await studio.goto(`${origin}/studio`);
  await studio.locator('abanico-publisher[state="live"][data-way="frames"]').waitFor();
  const key = await studio.locator('abanico-publisher').evaluate((element) => element.streamKey);

  const viewer = await openPage(browser);
  await viewer.goto(`${origin}/${key}`);
  await viewer.locator('abanico-player[state="playing"][data-path="webcodecs"]').waitFor();
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await viewer.locator('abanico-player').evaluate((element) => element.pause());
  await untilState(viewer, 'idle');
  await viewer.locator('abanico-player').evaluate((element) => element.play());
  await untilState(viewer, 'playing');
  await studio.locator('abanico-publisher').evaluate((element) => element.stop());
  await untilState(viewer, 'ended');
  const heard = await viewer.evaluate(() => window.heard);
  for (const event of ['resize', 'playing', 'pause', 'play', 'ended']) {
    assert.ok(heard.includes(event), `no ${event} among ${heard}`);
  }
  for (const page of [studio, viewer]) assert.deepEqual(page.complaints, []);
});

const STUDIO = '<abanico-publisher source="test" quality="240p" name="Foreign" autostart controls></abanico-publisher>';
const WINDOW = `<abanico-player stream-key="KEY" autoplay muted controls></abanico-player><script>
  window.heard = [];
  for (const event of ['resize', 'playing', 'pause', 'play', 'ended']) {
    document.querySelector('abanico-player').addEventListener(event, () => window.heard.push(event));
  }
</script>`;

for (const [missing, way, words] of [
  [['VideoEncoder'], 'video', 'the recorder is used'],
  [['VideoEncoder', 'MediaRecorder'], 'picture', 'pictures are sent'],
]) {
  test(`without ${missing.join(' and ')} another way is taken and said: ${way}`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const browser = await startBrowser(t);
    const publisher = await openPage(browser);
    await publisher.addInitScript((names) => {
      for (const name of names) delete window[name];
    }, missing);
    const link = await goLive(publisher, server.origin, LIVE);
    await publisher.locator(`live-numbers[data-way="${way}"]`).waitFor();
    await publisher.locator('.message', { hasText: words }).waitFor();
    const viewer = await openPage(browser);
    await viewer.goto(link);
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    for (const page of [publisher, viewer]) assert.deepEqual(page.complaints, []);
  });
}

test(
  'on an uplink that is too slow frames are left out, the bitrate steps down, and what is seen stays live',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t);
    const wire = await startWire(t, server.port);
    const publisher = await openPage(await startBrowser(t));
    const link = await goLive(publisher, wire.origin, { ...LIVE, source: 'test', quality: '480p', microphone: 'off' });
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(link.replace(wire.origin, server.origin));
    await untilState(viewer, 'playing');
    wire.slow(40_000);
    await publisher.locator('.message', { hasText: 'sending less' }).waitFor();
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.ok(Number(await publisher.locator('live-numbers').getAttribute('data-dropped')) > 0, 'nothing was left out');
  },
);
