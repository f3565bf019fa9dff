// A tab that nobody looks at goes on publishing at full rate; a viewer that nobody looked at comes back live.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEMO,
  goLive,
  isMoving,
  moreFrames,
  openPage,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
  VIDEO,
} from './house.mjs';
import { startRawBrowser } from './raw-browser.mjs';

/** A throttled timer, of one tick a second, does not send so many while `moreFrames` waits for them. */
const PICTURES = 60;

const FRAMES = `Number(document.querySelector('abanico-player')?.dataset.frames)`;

for (const [name, choices] of [
  ['pictures of the camera', DEMO],
  ['pictures of the test picture', { ...DEMO, source: 'test' }],
  ['video of the test picture', { ...VIDEO, source: 'test', microphone: 'off' }],
]) {
  test(`${name}: a hidden tab goes on sending at full rate`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const studio = await startRawBrowser(t);
    const first = await studio.open(server.origin);
    await first.until(`document.querySelector('#go-live')`);
    await first.evaluate(
      `for (const [name, value] of Object.entries(${JSON.stringify(choices)})) localStorage.setItem('abanico.' + name, value)`,
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
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.ok(await tab.evaluate('document.hidden'), 'the tab did not stay hidden');
  });
}

test('a viewer that comes back into view is live at once', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const publisher = await openPage(await startBrowser(t));
  const link = await goLive(publisher, server.origin, DEMO);
  const audience = await startRawBrowser(t);
  const viewer = await audience.open(link);
  await viewer.until(`document.querySelector('abanico-player[state="playing"]')`);
  const other = await audience.open('about:blank');
  await viewer.until('document.hidden');
  const sent = Number(await publisher.locator('live-numbers').getAttribute('data-sent'));
  await publisher.waitForFunction(
    (wanted) => Number(document.querySelector('live-numbers').dataset.sent) >= wanted,
    sent + PICTURES,
  );
  const shown = await viewer.evaluate(FRAMES);
  await viewer.bringToFront();
  const now = await viewer.until(`!document.hidden && ${FRAMES} >= ${shown + 5}`, FRAMES);
  assert.ok(now < shown + PICTURES, 'the backlog is played out');
  assert.ok(other);
});
