// A private stream, from the streamer's page to who was given a link, and to who was not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMoving, LIVE, openPage, prefer, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

test('a private stream is in no list, and its link lets in as many as it has seats', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  await prefer(publisher, LIVE);
  await publisher.goto(`${server.origin}/streamer.html`);
  await publisher.locator('#private').check();
  await publisher.locator('#start').click();
  const share = publisher.locator('share-card');
  await share.locator('input[type="number"]').fill('1');
  await share.locator('button[type="submit"]').click();
  await publisher.locator('share-card[data-url]').waitFor();
  const link = await share.getAttribute('data-url');
  assert.match(link, new RegExp(`^${server.origin}/watch/[0-9a-f]{32}#token=abl-[0-9a-f]{32}$`));
  const { streams } = await (await fetch(`${server.origin}/streams`)).json();
  assert.deepEqual(streams, []);

  const guest = await openPage(browser);
  await guest.goto(link);
  await untilState(guest, 'playing');
  assert.ok(await isMoving(guest), 'the picture stands still');
  const stranger = await openPage(browser);
  await stranger.goto(link.split('#')[0]);
  await untilState(stranger, 'not-found');

  // When the link is taken back, its guest is put out.
  const { streamKey, publishToken } = await publisher.evaluate(() => JSON.parse(sessionStorage['abanico.publishing']));
  const links = `${server.origin}/streams/${streamKey}/links`;
  const headers = { authorization: `Bearer ${publishToken}` };
  const [made] = (await (await fetch(links, { headers })).json()).links;
  assert.deepEqual([made.seats, made.taken], [1, 1]);
  assert.equal((await fetch(`${links}/${made.id}`, { method: 'DELETE', headers })).status, 200);
  await untilState(guest, 'ended');
});
