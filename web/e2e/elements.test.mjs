// The player as an element: what people expect of anything that plays media.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { goLive, LIVE, openPage, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

/** Somebody's page with the script in it, and a stream that is live. */
async function site(t, body = '') {
  const server = await startServer(t);
  const other = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html>${body}<script src="${server.origin}/abanico.js"></script>`);
  });
  await new Promise((ready) => other.listen(0, '127.0.0.1', ready));
  t.after(() => other.close());
  const browser = await startBrowser(t);
  const link = await goLive(await openPage(browser), server.origin, LIVE);
  const page = await openPage(browser);
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  return { page, key: new URL(link).pathname.split('/').at(-1) };
}

test('play() is fulfilled when the picture moves, and does nothing while it does', TEST_MAX, async (t) => {
  const { page, key } = await site(t);
  const heard = await page.evaluate(async (streamKey) => {
    const player = document.createElement('abanico-player');
    const events = [];
    for (const name of ['play', 'waiting', 'playing', 'pause', 'error']) {
      player.addEventListener(name, () => events.push(name));
    }
    window.states = [];
    player.addEventListener('statechange', ({ detail }) => window.states.push(detail));
    Object.assign(player, { streamKey, muted: true });
    document.body.append(player);
    const wasPaused = player.paused;
    await player.play();
    const surface = player.shadowRoot.querySelector('.surface > *');
    const state = player.state;
    await player.play();
    const isSame = player.shadowRoot.querySelector('.surface > *') === surface;
    player.pause();
    const again = player.play();
    player.pause();
    const why = await again.then(
      () => 'fulfilled',
      ({ name }) => name,
    );
    return { wasPaused, state, isSame, events, paused: player.paused, why };
  }, key);
  assert.deepEqual(heard, {
    wasPaused: true,
    state: 'playing',
    isSame: true,
    events: ['play', 'waiting', 'playing', 'pause', 'play', 'pause'],
    paused: true,
    why: 'AbortError',
  });

  // What a way says while it is closed is no loss.
  const left = await page.evaluate(async () => {
    const player = document.querySelector('abanico-player');
    const events = [];
    for (const name of ['waiting', 'pause']) player.addEventListener(name, () => events.push(name));
    window.states = [];
    player.transport = 'mse';
    await player.play();
    const { frames } = player.dataset;
    const begun = window.states.splice(0);
    events.splice(0);
    player.pause();
    return { path: player.dataset.path, hasShown: Number(frames) > 0, begun, ended: window.states, events };
  });
  assert.deepEqual(left, {
    path: 'mse',
    hasShown: true,
    begun: ['connecting', 'waiting', 'playing'],
    ended: ['idle'],
    events: ['pause'],
  });

  const boxes = await page.evaluate(async () => {
    const player = document.querySelector('abanico-player');
    await player.play();
    const box = (style) => {
      player.style.cssText = style;
      const { width, height } = player.shadowRoot.querySelector('.surface > *').getBoundingClientRect();
      return [width, height, player.getBoundingClientRect().height].map(Math.round);
    };
    const ratio = player.videoHeight / player.videoWidth;
    return { given: box('width: 400px; height: 200px'), own: box('width: 400px'), wished: Math.round(400 * ratio) };
  });
  assert.deepEqual(boxes.given, [400, 200, 200], 'it does not keep to the box that it was given');
  assert.deepEqual(boxes.own, [400, boxes.wished, boxes.wished], 'it has not the shape of its picture');
});

test('what cannot be played says so once, by event, property and promise', TEST_MAX, async (t) => {
  const { page, key } = await site(t);
  const vain = await page.evaluate(async () => {
    const played = (attributes) => {
      const player = document.createElement('abanico-player');
      Object.assign(player, attributes);
      document.body.append(player);
      return player.play().catch(({ name, message }) => `${name}: ${message}`);
    };
    return Promise.all([played({}), played({ streamKey: 'nobody-has-this-key' })]);
  });
  assert.deepEqual(vain, [
    'NotSupportedError: there is no stream-key and no src',
    'NotSupportedError: no stream has this key',
  ]);
  const heard = await page.evaluate(async (streamKey) => {
    delete window.MediaSource;
    const player = document.createElement('abanico-player');
    const events = [];
    player.addEventListener('error', ({ detail }) => events.push(detail.kind));
    Object.assign(player, { streamKey, muted: true, transport: 'mse' });
    document.body.append(player);
    const why = await player.play().catch(({ name }) => name);
    return { events, why, error: player.error?.kind, state: player.state };
  }, key);
  assert.deepEqual(heard, {
    events: ['no-media-source'],
    why: 'NotSupportedError',
    error: 'no-media-source',
    state: 'unplayable',
  });
});

test(
  'muted and volume hold from before the element is in the page, and even from before it exists',
  TEST_MAX,
  async (t) => {
    const early = `<abanico-player id="early"></abanico-player>
    <script>Object.assign(document.querySelector('#early'), { muted: true, volume: 0.3 });</script>`;
    const { page } = await site(t, early);
    const sounds = await page.evaluate(() => {
      const sound = (player) => {
        document.body.append(player);
        return [player.muted, player.volume];
      };
      const make = (set) => {
        const player = document.createElement('abanico-player');
        set(player);
        return sound(player);
      };
      const told = [];
      const plain = document.createElement('abanico-player');
      document.body.append(plain);
      plain.addEventListener('volumechange', () => told.push([plain.muted, plain.volume]));
      plain.muted = true;
      plain.volume = 0.5;
      plain.volume = 0.5;
      plain.muted = false;
      document.body.append(plain);
      return {
        early: sound(document.querySelector('#early')),
        plain: make(() => {}),
        attribute: make((player) => player.setAttribute('muted', '')),
        property: make((player) => Object.assign(player, { muted: true, volume: 0 })),
        against: make((player) => {
          player.setAttribute('muted', '');
          player.muted = false;
        }),
        told,
        afterMove: plain.muted,
      };
    });
    assert.deepEqual(sounds, {
      early: [true, 0.3],
      plain: [false, 1],
      attribute: [true, 1],
      property: [true, 0],
      against: [false, 1],
      told: [
        [true, 1],
        [true, 0.5],
        [false, 0.5],
      ],
      afterMove: false,
    });
  },
);

test('who moves the slider of a muted player hears it', TEST_MAX, async (t) => {
  const { page, key } = await site(t);
  await page.evaluate((streamKey) => {
    const player = document.createElement('abanico-player');
    Object.assign(player, { streamKey, muted: true, autoplay: true, controls: true });
    document.body.append(player);
  }, key);
  await untilState(page, 'playing');
  await page.getByLabel('Volume').fill('0.4');
  assert.deepEqual(await page.locator('abanico-player').evaluate(({ muted, volume }) => [muted, volume]), [false, 0.4]);
});

/** Runs in a page: once `asked`, the camera is waited for until `allow` is called; `given` are the tracks handed out. */
function slowPrompt() {
  let ask;
  window.asked = new Promise((asked) => {
    ask = asked;
  });
  const allowed = new Promise((allow) => {
    window.allow = allow;
  });
  window.given = [];
  navigator.mediaDevices.getUserMedia = async () => {
    ask();
    await allowed;
    const stream = document.createElement('canvas').captureStream();
    window.given.push(...stream.getTracks());
    return stream;
  };
}

test('to start twice while the camera is asked for starts once', TEST_MAX, async (t) => {
  const { page } = await site(t);
  await page.evaluate(slowPrompt);
  const heard = await page.evaluate(async () => {
    const publisher = document.createElement('abanico-publisher');
    const states = [];
    publisher.addEventListener('statechange', ({ detail }) => states.push(detail));
    document.body.append(publisher);
    const started = [publisher.start(), publisher.start()];
    window.allow();
    await Promise.all(started);
    publisher.remove();
    return states.filter((state) => state === 'connecting').length;
  });
  assert.equal(heard, 1);
});

test('a publisher that is taken away while the camera is asked for does not go live', TEST_MAX, async (t) => {
  const { page } = await site(t);
  await page.evaluate(slowPrompt);
  const left = await page.evaluate(async () => {
    const publisher = document.createElement('abanico-publisher');
    publisher.setAttribute('microphone', 'off');
    document.body.append(publisher);
    const started = publisher.start();
    await window.asked;
    publisher.remove();
    window.allow();
    await started;
    const tracks = window.given.map(({ readyState }) => readyState);
    return { state: publisher.state, hasSession: publisher.session !== undefined, tracks: [...new Set(tracks)] };
  });
  assert.deepEqual(left, { state: 'idle', hasSession: false, tracks: ['ended'] });
});

test(
  'a publisher that is stopped while the camera is asked for ends there, and can be started again',
  TEST_MAX,
  async (t) => {
    const { page } = await site(t);
    await page.evaluate(slowPrompt);
    const stopped = await page.evaluate(async () => {
      const publisher = document.createElement('abanico-publisher');
      publisher.setAttribute('microphone', 'off');
      publisher.setAttribute('quality', '240p');
      document.body.append(publisher);
      const problems = [];
      publisher.addEventListener('problem', ({ detail }) => problems.push(detail.reason));
      const started = publisher.start();
      await window.asked;
      publisher.stop();
      window.allow();
      await started;
      const tracks = window.given.map(({ readyState }) => readyState);
      return {
        state: publisher.state,
        hasSession: publisher.session !== undefined,
        hasPicture: publisher.srcObject !== null,
        tracks: [...new Set(tracks)],
        problems,
      };
    });
    assert.deepEqual(stopped, { state: 'idle', hasSession: false, hasPicture: false, tracks: ['ended'], problems: [] });
    await page.locator('abanico-publisher').evaluate((publisher) => {
      publisher.addEventListener('stream', ({ detail }) => window.told.push(detail.watchUrl));
      window.told = [];
      return publisher.start();
    });
    await page.locator('abanico-publisher[state="live"]').waitFor();
    assert.equal(await page.evaluate(() => window.told.length), 1, 'a start tells of its stream once');
  },
);

test('the screen may go dark again once the publisher is out of the page', TEST_MAX, async (t) => {
  const { page } = await site(t);
  await page.evaluate(() => {
    window.held = 0;
    const request = async () => {
      window.held += 1;
      return {
        release: async () => {
          window.held -= 1;
        },
      };
    };
    Object.defineProperty(navigator, 'wakeLock', { value: { request } });
    document.body.innerHTML = '<abanico-publisher source="test" quality="240p" autostart></abanico-publisher>';
  });
  await page.locator('abanico-publisher[state="live"]').waitFor();
  await page.waitForFunction(() => window.held === 1);
  await page.locator('abanico-publisher').evaluate((publisher) => publisher.remove());
  await page.waitForFunction(() => window.held === 0);
});
