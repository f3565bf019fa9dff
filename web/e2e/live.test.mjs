// The main thing, from the home page to three viewers who see the picture move.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEMO,
  isMoving,
  LIVE,
  openPage,
  player,
  prefer,
  pressGoLive,
  SOCKETIO,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
  VIDEO,
} from './house.mjs';

for (const [name, choices, path, way] of [
  ['pictures', DEMO, 'picture', SOCKETIO],
  ['video with sound', VIDEO, 'webm', SOCKETIO],
  ['frames with sound', LIVE, 'webcodecs', {}],
]) {
  test(
    `${name}: from home to live, three viewers see the picture move and so does a late joiner`,
    TEST_MAX,
    async (t) => {
      const server = await startServer(t);
      const studio = await startBrowser(t);
      const publisher = await openPage(studio);
      await prefer(publisher, { ...choices, ...way });
      await publisher.goto(server.origin);
      await publisher.locator('stream-list[data-count="0"]').waitFor();
      await publisher.locator('#go-live').click();
      await publisher.waitForURL('**/streamer.html');
      const link = await pressGoLive(publisher);
      assert.match(link, new RegExp(`^${server.origin}/watch/[0-9a-f]{32}$`));

      const home = await openPage(await startBrowser(t));
      const viewers = [];
      for (let i = 0; i < 3; i++) {
        const viewer = i === 0 ? home : await openPage(home.context().browser());
        await prefer(viewer, way);
        if (i === 0) {
          await viewer.goto(server.origin);
          const card = viewer.locator('stream-card a');
          await card.locator('h3', { hasText: 'Ada' }).waitFor();
          await card.click();
        } else await viewer.goto(link);
        viewers.push(viewer);
      }
      for (const viewer of viewers) {
        await untilState(viewer, 'playing');
        assert.equal((await player(viewer)).path, path);
        assert.ok(await isMoving(viewer), 'the picture stands still');
      }
      await publisher.locator('live-numbers[data-viewers="3"]').waitFor();
      await viewers[2].locator('#viewer-count[data-count="3"]').waitFor();

      const late = await openPage(home.context().browser());
      await prefer(late, way);
      const from = Date.now();
      await late.goto(link, { waitUntil: 'commit' });
      await untilState(late, 'playing');
      t.diagnostic(`from the link to the picture, a new browser process included: ${Date.now() - from} ms`);
      assert.ok(await isMoving(late), 'the picture stands still');
      const { firstPictureMs, delayMs, fps } = await player(late);
      t.diagnostic(`first picture after ${firstPictureMs} ms, delay ${delayMs} ms, ${fps} pictures a second`);

      for (const page of [publisher, ...viewers, late]) assert.deepEqual(page.complaints, []);
    },
  );
}

test('a poster of the stream is on the home page', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  await prefer(publisher, VIDEO);
  await publisher.goto(`${server.origin}/streamer.html`);
  await pressGoLive(publisher);
  const home = await openPage(browser);
  await home.goto(server.origin);
  await home.locator('stream-card img').waitFor();
  const width = await home.locator('stream-card img').evaluate((image) => image.naturalWidth);
  assert.ok(width > 100, `the poster is ${width} pixels wide`);
});
