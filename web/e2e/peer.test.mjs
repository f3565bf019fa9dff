// From peer to peer, in both directions with StreamHub's pages, and over to the server and back without a gap.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eye, paintedCamera } from '../measure/probe.mjs';
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
import { barePage, streamHubStreamer, streamHubViewer } from './streamhub-pages.mjs';

let server;
let browser;
const ends = [];
const house = { after: (end) => ends.unshift(end) };
before(async () => {
  server = await startServer(house);
  browser = await startBrowser(house);
});
after(async () => {
  for (const end of ends) await end();
});

/** A page that is closed with its test. */
async function visit(t) {
  const page = await openPage(browser);
  t.after(() => page.context().close());
  return page;
}

const untilPath = (page, path) => page.locator(`abanico-player[data-path="${path}"][state="playing"]`).waitFor();
const watch = (key, wish = '') => `${server.origin}/watch/${key}${wish}`;
const keyOf = (link) => new URL(link).pathname.split('/').at(-1);

test(
  'StreamHub’s streamer page in our viewer page: it says what it waits for, then shows the picture',
  TEST_MAX,
  async (t) => {
    const { page: hub, streamKey } = await streamHubStreamer(t, browser, server.origin);
    const viewer = await visit(t);
    await viewer.goto(watch(streamKey));
    await viewer.locator('abanico-player[state="waiting"][data-peer="asking"]').waitFor();
    assert.match(await viewer.locator('abanico-player .hint').textContent(), /Asking the publisher/);
    // The first request was lost: the camera was not ready.
    await hub.waitForFunction(() => window.requests > 0);
    await hub.evaluate(() => window.allowCamera());
    await untilPath(viewer, 'p2p');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.deepEqual(viewer.complaints, []);
    const heard = await hub.evaluate(() => window.heard);
    assert.ok(!heard.some((name) => name.startsWith('stream:data')), 'a frame went through the server');
    await hub.close();
    await untilState(viewer, 'ended');
  },
);

test(
  'a player in anybody’s page finds the publisher, too, when nothing comes through the server',
  TEST_MAX,
  async (t) => {
    const { page: hub, streamKey } = await streamHubStreamer(t, browser, server.origin);
    await hub.evaluate(() => window.allowCamera());
    const page = await barePage(t, browser, server.origin, '/abanico.js');
    const events = await page.evaluate(async (key) => {
      const player = document.createElement('abanico-player');
      const heard = [];
      player.addEventListener('peer', ({ detail }) => heard.push(detail));
      Object.assign(player, { streamKey: key, muted: true });
      document.body.append(player);
      await player.play();
      return heard;
    }, streamKey);
    assert.deepEqual(events.slice(0, 2), ['asking', 'connecting']);
    await untilPath(page, 'p2p');
    assert.ok(await isMoving(page), 'the picture stands still');
    assert.deepEqual(page.complaints, []);
  },
);

test('candidates that come before the description are kept', TEST_MAX, async (t) => {
  const { page: hub, streamKey } = await streamHubStreamer(t, browser, server.origin, { candidatesFirst: true });
  await hub.evaluate(() => window.allowCamera());
  const viewer = await visit(t);
  await viewer.goto(watch(streamKey, '?delivery=p2p'));
  await untilPath(viewer, 'p2p');
  assert.ok(await isMoving(viewer), 'the picture stands still');
});

test(
  'our streamer page, loaded anew, too, in StreamHub’s viewer page, which asks once and only then',
  TEST_MAX,
  async (t) => {
    const wire = await startWire(t, server.port);
    const publisher = await visit(t);
    const key = keyOf(await goLive(publisher, wire.origin, LIVE));
    const viewer = await streamHubViewer(t, browser, server.origin, key);
    await viewer.waitForFunction(() => window.different >= 30);
    assert.equal(await viewer.evaluate(() => window.asked), 1);
    // The server sends it everything as well, and it is counted there, too.
    await publisher.locator('audience-card[data-peers="1"][data-central="1"]').waitFor();
    assert.match(
      await publisher.locator('audience-card [data-phase="connected"]').textContent(),
      /\+ Through the server$/,
    );
    assert.deepEqual(publisher.complaints, []);
    assert.deepEqual(viewer.complaints, []);
    // Its page and its connection are there still; its place is not.
    await viewer.evaluate(() => window.leave());
    await publisher.locator('audience-card[data-peers="0"][data-central="0"]').waitFor();

    wire.cut();
    await publisher.locator('.desk[data-state="reconnecting"]').waitFor();
    const late = await streamHubViewer(t, browser, server.origin, key);
    await late.waitForFunction(() => window.asked === 1);
    wire.mend();
    await late.waitForFunction(() => window.different >= 30);
    assert.equal(await late.evaluate(() => window.asked), 1);

    // A page that begins anew serves who was served by the one before. Another connection of the same page leaves it be.
    const offers = () => late.evaluate(() => window.offered);
    assert.equal(await offers(), 1);
    wire.cut();
    await publisher.locator('.desk[data-state="reconnecting"]').waitFor();
    wire.mend();
    await publisher.locator('.desk[data-state="live"]').waitFor();
    const shown = await late.evaluate(() => window.different);
    await late.waitForFunction((before) => window.different >= before + 30, shown);
    assert.equal(await offers(), 1);
    publisher.on('dialog', (dialog) => dialog.accept());
    await publisher.reload();
    await publisher.locator('#continue').click();
    await publisher.locator('.desk[data-state="live"]').waitFor();
    await late.waitForFunction(() => window.offered === 2);
    const before = await late.evaluate(() => window.different);
    await late.waitForFunction((before) => window.different >= before + 30, before);
    assert.equal(await late.evaluate(() => window.asked), 1);
    assert.deepEqual(late.complaints, []);
  },
);

test(
  'who chooses the server where nothing comes through it keeps the picture, and else is told what to choose',
  TEST_MAX,
  async (t) => {
    const { page: hub, streamKey } = await streamHubStreamer(t, browser, server.origin);
    await hub.evaluate(() => window.allowCamera());
    for (const transport of ['auto', 'socketio']) {
      const viewer = await visit(t);
      const choose = (way) => viewer.locator(`watch-ways input[value="${way}"]`).check({ force: true });
      await viewer.goto(watch(streamKey, `?delivery=central&transport=${transport}`));
      await viewer.locator('abanico-player[state="waiting"][data-peer="missed"]').waitFor();
      assert.match(
        await viewer.locator('abanico-player .hint').textContent(),
        /through the server yet. Choose “Automatic”/,
      );
      await choose('auto');
      await viewer.locator('abanico-player[data-path="p2p"][data-peer="playing"]').waitFor();
      await viewer.evaluate(() => {
        window.states = [];
        const player = document.querySelector('abanico-player');
        for (const name of ['statechange', 'peer'])
          player.addEventListener(name, ({ detail }) => window.states.push(detail));
      });
      await choose('central');
      // More pictures than come in the time that a picture that is weak is kept.
      await moreFrames(viewer, 110);
      assert.deepEqual(await viewer.evaluate(() => window.states), [], `${transport}: the picture did not just go on`);
      assert.deepEqual(viewer.complaints, []);
      await viewer.close();
    }
  },
);

/** A stream whose pictures are numbered, and a viewer whose eye reads them. */
async function numbered(t, wish) {
  const publisher = await visit(t);
  await publisher.addInitScript(() => {
    window.peers = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration) {
        super(configuration);
        window.peers.push(this);
      }
    };
  });
  await publisher.addInitScript(paintedCamera, { width: 426, height: 240, framesPerSecond: 24 });
  const key = keyOf(await goLive(publisher, server.origin, { ...LIVE, microphone: 'off' }));
  const viewer = await visit(t);
  await viewer.addInitScript(eye);
  await viewer.addInitScript(() => {
    // What was shown when a connection was closed, and every state that the player was in.
    window.closedUnder = [];
    window.states = [];
    const close = RTCPeerConnection.prototype.close;
    RTCPeerConnection.prototype.close = function () {
      const surface = document.querySelector('abanico-player')?.shadowRoot.querySelector('.surface > :not(.behind)');
      window.closedUnder.push(surface?.localName);
      close.call(this);
    };
    document.addEventListener('DOMContentLoaded', () => {
      document
        .querySelector('abanico-player')
        ?.addEventListener('statechange', ({ detail }) => window.states.push(detail));
    });
  });
  await viewer.goto(watch(key, wish));
  await untilState(viewer, 'playing');
  const deliver = async (choice) => {
    await publisher.locator('.settings').evaluate((details) => {
      details.open = true;
    });
    await publisher.locator(`source-settings input[value="${choice}"]`).check({ force: true });
  };
  return { publisher, viewer, deliver };
}

test(
  'over to peer to peer and back: the picture goes on, and the old way is left after the new one shows',
  TEST_MAX,
  async (t) => {
    const { publisher, viewer, deliver } = await numbered(t);
    await untilPath(viewer, 'webcodecs');
    await moreFrames(viewer, 10);
    await viewer.evaluate(() => {
      window.seen.length = 0;
      window.states.length = 0;
    });
    for (let round = 0; round < 2; round++) {
      await deliver('p2p');
      await untilPath(viewer, 'p2p');
      await publisher.locator('audience-card[data-peers="1"]').waitFor();
      await moreFrames(viewer, 20);
      await deliver('central');
      await untilPath(viewer, 'webcodecs');
      await publisher.locator('audience-card[data-peers="0"]').waitFor();
      await moreFrames(viewer, 20);
    }
    const { seen, states, closedUnder } = await viewer.evaluate(() => {
      const { seen, states, closedUnder } = window;
      return { seen, states, closedUnder };
    });
    assert.deepEqual(states, [], 'the player was not playing all the time');
    assert.deepEqual(closedUnder, ['canvas', 'canvas'], 'a connection was closed while it was shown');
    const steps = seen.slice(1).map(({ number }, i) => number - seen[i].number);
    t.diagnostic(`steps between pictures: ${Math.min(...steps)} to ${Math.max(...steps)}`);
    assert.ok(
      steps.every((step) => step > -12),
      `the picture went back by ${Math.min(...steps)}`,
    );
    assert.deepEqual(viewer.complaints, []);
    assert.deepEqual(publisher.complaints, []);
  },
);

test(
  'a connection that falls silent is replaced by the way through the server, and nobody is told',
  TEST_MAX,
  async (t) => {
    const { publisher, viewer } = await numbered(t, '?delivery=p2p');
    await untilPath(viewer, 'p2p');
    await moreFrames(viewer, 20);
    await viewer.evaluate(() => {
      window.states.length = 0;
      window.seen.length = 0;
    });
    // Everything is as it was, but nothing comes any more.
    await publisher.evaluate(() => {
      for (const peer of window.peers) for (const sender of peer.getSenders()) sender.replaceTrack(null);
    });
    await untilPath(viewer, 'webcodecs');
    await moreFrames(viewer, 20);
    const { seen, states } = await viewer.evaluate(() => ({ seen: window.seen, states: window.states }));
    const gap = Math.max(...seen.slice(1).map(({ at }, i) => at - seen[i].at));
    t.diagnostic(`longest time without a new picture: ${Math.round(gap)} ms`);
    assert.deepEqual(states, [], 'the player was not playing all the time');
  },
);

test('an answer that leads nowhere leaves the viewer with the server', TEST_MAX, async (t) => {
  const publisher = await visit(t);
  const key = keyOf(await goLive(publisher, server.origin, LIVE));
  const viewer = await visit(t);
  await viewer.addInitScript(() => {
    // No candidate of the other end arrives, and none leaves.
    RTCPeerConnection.prototype.addIceCandidate = async () => {};
    Object.defineProperty(RTCPeerConnection.prototype, 'onicecandidate', { set() {} });
    const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
      return set.call(this, { type, sdp: sdp.replaceAll(/a=candidate.*\r\n/g, '') });
    };
  });
  await viewer.goto(watch(key, '?delivery=p2p'));
  await untilPath(viewer, 'webcodecs');
  await viewer.locator('abanico-player[data-peer="failed"]').waitFor();
  assert.equal((await player(viewer)).state, 'playing');
  assert.ok(await isMoving(viewer), 'the picture stands still');
});

test('WebRTC from the server is one of the ways to watch, and can be chosen while watching', TEST_MAX, async (t) => {
  const publisher = await visit(t);
  const key = keyOf(await goLive(publisher, server.origin, LIVE));
  const viewer = await visit(t);
  await viewer.goto(watch(key, '?transport=webrtc'));
  await untilPath(viewer, 'whep');
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await viewer.locator('watch-ways select').selectOption('webcodecs');
  await untilPath(viewer, 'webcodecs');
  await viewer.locator('watch-ways select').selectOption('webrtc');
  await untilPath(viewer, 'whep');
  await publisher.locator('live-numbers[data-viewers="1"]').waitFor();
  assert.deepEqual(viewer.complaints, []);

  // Pictures do not come that way: that is said, and forgotten when there is video again.
  const recorded = await visit(t);
  await recorded.goto(watch(key, '?transport=mse'));
  await untilPath(recorded, 'mse');
  const deliver = (choice) => publisher.locator(`source-settings input[value="${choice}"]`).check({ force: true });
  await publisher.locator('.settings').evaluate((details) => {
    details.open = true;
  });
  const left = viewer.waitForResponse((response) => response.request().method() === 'DELETE');
  await deliver('demo');
  for (const page of [viewer, recorded]) {
    await untilState(page, 'unplayable');
    await page.getByText('does not come the way that you have chosen').waitFor();
  }
  // Of what was left, pictures come until the server has heard of it: they are no reason to say that it plays.
  await left;
  await viewer.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.equal((await player(viewer)).state, 'unplayable');
  await deliver('live');
  for (const page of [viewer, recorded]) {
    await untilState(page, 'playing');
    assert.ok(await isMoving(page), 'the picture stands still');
  }

  // Its session ends with the stream, so that there is none to be deleted.
  const { length } = viewer.complaints;
  for (const _ of ['asked', 'sure']) await publisher.locator('#stop').click();
  await untilState(viewer, 'ended');
  await viewer.evaluate(() => fetch('/streams'));
  assert.deepEqual(viewer.complaints.slice(length), []);
});
