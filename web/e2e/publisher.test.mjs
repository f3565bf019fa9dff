// What viewers see when the publisher pauses, reloads, disappears, ends, begins again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEMO,
  goLive,
  isMoving,
  kill,
  openPage,
  player,
  pressGoLive,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
  VIDEO,
} from './house.mjs';

async function house(t, choices, flags) {
  const server = await startServer(t, flags);
  const studio = await startBrowser(t);
  const publisher = await openPage(studio);
  const link = await goLive(publisher, server.origin, choices);
  const viewer = await openPage(await startBrowser(t));
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  return { server, publisher, link, viewer };
}

test(
  'when the publisher’s tab dies viewers are told at once, and after the grace period that it is over',
  TEST_MAX,
  async (t) => {
    const { publisher, viewer, server } = await house(t, DEMO, ['--publisher-grace', '2s']);
    // Neither lasts for long: who begins to look when it is there may come too late.
    const isLost = untilState(viewer, 'lost');
    await kill(publisher);
    await isLost;
    await untilState(viewer, 'ended');

    // Who reloads is offered to go on for as long, and no longer.
    const other = await openPage(publisher.context().browser());
    other.on('dialog', (dialog) => dialog.accept());
    await goLive(other, server.origin, DEMO);
    const isOffered = other.locator('.offer').waitFor();
    await other.reload();
    await isOffered;
    await other.locator('.offer').waitFor({ state: 'hidden' });
  },
);

for (const [name, choices] of [
  ['pictures', DEMO],
  ['video', VIDEO],
]) {
  test(
    `${name}: a publisher who reloads goes on with the same stream, and viewers see it move again`,
    TEST_MAX,
    async (t) => {
      const { publisher, link, viewer } = await house(t, choices, ['--publisher-grace', '30s']);
      publisher.on('dialog', (dialog) => dialog.accept());
      await publisher.reload();
      await untilState(viewer, 'lost');
      await publisher.locator('#continue').click();
      await publisher.locator('.desk[data-state="live"]').waitFor();
      await untilState(viewer, 'playing');
      assert.equal(await publisher.locator('share-card').getAttribute('data-url'), link);
      assert.ok(await isMoving(viewer), 'the picture stands still');
      assert.deepEqual(viewer.complaints, []);
    },
  );

  test(`${name}: pause stops the picture and says so, resume goes on live`, TEST_MAX, async (t) => {
    const { publisher, viewer } = await house(t, choices);
    await publisher.locator('#pause').click();
    await untilState(viewer, 'paused');
    await publisher.locator('#pause').click();
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    // A recorder does not say when it captured, so of its video no delay is known.
    const { delayMs } = await player(viewer);
    assert.ok(!(Number(delayMs) >= 5_000), 'the pause counts as delay');
  });
}

test('the end is told, and who stayed sees the next stream by itself', TEST_MAX, async (t) => {
  const { publisher, viewer } = await house(t, DEMO);
  await publisher.locator('#stop').click();
  await publisher.locator('#stop').click();
  await untilState(viewer, 'ended');
  await publisher.locator('.desk[data-state="ended"]').waitFor();

  const link = await pressGoLive(publisher);
  await untilState(viewer, 'playing');
  assert.equal(viewer.url(), link);
  assert.ok(await isMoving(viewer), 'the picture stands still');
  assert.deepEqual(viewer.complaints, []);
});

test('another picture and another mode can be taken while live', TEST_MAX, async (t) => {
  const { publisher, viewer } = await house(t, DEMO);
  await publisher.locator('.settings summary').click();
  await publisher.locator('source-settings label', { hasText: 'Test picture' }).click();
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await publisher.locator('source-settings label', { hasText: 'Low delay' }).click();
  await viewer.locator('abanico-player[state="playing"]').waitFor();
  assert.ok(await isMoving(viewer), 'the picture stands still');

  const late = await openPage(viewer.context().browser());
  await late.goto(viewer.url());
  await untilState(late, 'playing');
  assert.ok(await isMoving(late), 'the picture stands still');
  assert.deepEqual(viewer.complaints, []);
});

test('a stream that is left for good can be ended from the reloaded page', TEST_MAX, async (t) => {
  const { publisher, viewer } = await house(t, DEMO, ['--publisher-grace', '30s']);
  publisher.on('dialog', (dialog) => dialog.accept());
  await publisher.reload();
  await publisher.locator('#discard').click();
  await untilState(viewer, 'ended');

  // One that is clicked too late is told so in the page's own words, and what never began shows no numbers.
  await pressGoLive(publisher);
  await publisher.evaluate(() => sessionStorage.setItem('kept', sessionStorage.getItem('abanico.publishing')));
  await publisher.locator('#stop').click();
  await publisher.locator('#stop').click();
  await publisher.locator('.desk[data-state="ended"]').waitFor();
  await publisher.evaluate(() => sessionStorage.setItem('abanico.publishing', sessionStorage.getItem('kept')));
  await publisher.routeWebSocket(/\/live\//, () => {});
  await publisher.reload();
  await publisher.locator('#continue').click();
  await publisher.getByText('That stream has ended meanwhile').waitFor();
  assert.ok(await publisher.locator('live-numbers').isHidden(), 'there are numbers of a stream that never began');
});
