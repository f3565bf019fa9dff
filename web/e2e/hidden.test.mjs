// A tab that nobody looks at goes on publishing at full rate; a viewer that nobody looked at comes back live.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEMO, goLive, isMoving, openPage, player, startBrowser, startServer, untilState, VIDEO } from './house.mjs';

/** Long enough for a throttled timer (one tick a second) to show. */
const PICTURES = 40;
/** At ten a second these take four seconds; throttled to one a second they would take forty. */
const PICTURES_MAX_MS = 15_000;

/** Playwright holds every page to be seen; this takes it back and puts another tab in front. */
async function hide(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  const front = await page.context().newPage();
  await front.goto('about:blank');
  const frontSession = await page.context().newCDPSession(front);
  await frontSession.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  await frontSession.send('Page.bringToFront');
  await session.send('Runtime.enable');
  for (;;) {
    const { result } = await session.send('Runtime.evaluate', {
      expression: `document.hidden || new Promise((done) => document.addEventListener('visibilitychange', () => done(document.hidden), { once: true }))`,
      awaitPromise: true,
    });
    if (result.value === true) return { session, front };
  }
}

for (const [name, choices] of [
  ['pictures of the camera', DEMO],
  ['pictures of the test picture', { ...DEMO, source: 'test' }],
  ['video of the test picture', { ...VIDEO, source: 'test', microphone: 'off' }],
]) {
  test(`${name}: a hidden tab goes on sending at full rate`, async (t) => {
    const server = await startServer(t);
    const publisher = await openPage(await startBrowser(t));
    const link = await goLive(publisher, server.origin, choices);
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(link);
    await untilState(viewer, 'playing');
    const { session } = await hide(publisher);
    const from = Date.now();
    const before = Number((await player(viewer)).frames);
    await viewer.waitForFunction(
      (wanted) => Number(document.querySelector('abanico-player')?.dataset.frames) >= wanted,
      before + PICTURES,
    );
    const took = Date.now() - from;
    t.diagnostic(`${PICTURES} pictures from a hidden tab in ${took} ms`);
    const { result } = await session.send('Runtime.evaluate', { expression: 'document.hidden' });
    assert.equal(result.value, true, 'the tab was not hidden all the time');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.ok(took < PICTURES_MAX_MS, `it took ${took} ms`);
  });
}

test('a viewer that comes back into view is live at once', async (t) => {
  const server = await startServer(t);
  const publisher = await openPage(await startBrowser(t));
  const link = await goLive(publisher, server.origin, DEMO);
  const viewer = await openPage(await startBrowser(t));
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  const { session, front } = await hide(viewer);
  await publisher.waitForFunction(
    (wanted) => Number(document.querySelector('live-numbers')?.dataset.sent) >= wanted,
    20 + Number(await publisher.locator('live-numbers').getAttribute('data-sent')),
  );
  await front.close();
  await session.send('Page.bringToFront');
  await viewer.waitForFunction(() => !document.hidden);
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.ok(Number((await player(viewer)).delayMs) < 1_000, 'the backlog is played out');
});
