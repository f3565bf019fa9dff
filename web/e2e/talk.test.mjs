// Chat and reactions beside the picture.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEMO, goLive, openPage, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

async function write(page, text) {
  await page.locator('chat-panel .write input').fill(text);
  await page.locator('chat-panel .write button').click();
}

const lineOf = (page, name) =>
  page.locator('chat-panel li', { has: page.locator('.who-said', { hasText: name }) }).locator('.content');

test('chat goes both ways, a guest is asked for a name first, and HTML stays text', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  const link = await goLive(publisher, server.origin, DEMO);
  const viewer = await openPage(browser);
  await viewer.goto(link);
  await untilState(viewer, 'playing');

  const hostile = '<img src=x onerror="document.title=1"> <b>bold</b> &amp;';
  await write(viewer, hostile);
  await viewer.locator('chat-panel .name-form input').fill('<i>Bea</i>');
  await viewer.locator('chat-panel .name-form button').click();
  for (const page of [viewer, publisher]) {
    const line = lineOf(page, 'Bea');
    await line.waitFor();
    assert.equal(await line.textContent(), hostile);
    assert.equal(await page.locator('chat-panel .who-said').first().textContent(), '<i>Bea</i>');
    assert.equal(await page.locator('chat-panel li :is(img, i)').count(), 0);
  }

  await write(publisher, 'Welcome!');
  await lineOf(viewer, 'Ada').waitFor();
  assert.equal(await lineOf(viewer, 'Ada').textContent(), 'Welcome!');
  await viewer.locator('chat-panel .host').waitFor();
  await untilState(viewer, 'playing');
  for (const page of [publisher, viewer]) assert.deepEqual(page.complaints, []);
});

test('a chosen name does not count as another viewer and outlives a reload', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  const link = await goLive(publisher, server.origin, DEMO);
  const viewer = await openPage(browser);
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  await write(viewer, 'one');
  await viewer.locator('chat-panel .name-form input').fill('Bea');
  await viewer.locator('chat-panel .name-form button').click();
  await lineOf(publisher, 'Bea').waitFor();
  assert.equal(await viewer.locator('#viewer-count').getAttribute('data-count'), '1');

  await viewer.reload();
  await untilState(viewer, 'playing');
  await write(viewer, 'two');
  await publisher.locator('chat-panel .content', { hasText: 'two' }).waitFor();
  await publisher.locator('live-numbers[data-viewers="1"]').waitFor();
});

test('a reaction rises over everybody’s picture', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  const link = await goLive(publisher, server.origin, DEMO);
  const viewers = [await openPage(browser), await openPage(browser)];
  for (const viewer of viewers) {
    await viewer.goto(link);
    await untilState(viewer, 'playing');
  }
  const seen = viewers.map((viewer) =>
    viewer.locator('abanico-player .floating span', { hasText: '👏' }).first().waitFor(),
  );
  await viewers[0].locator('reaction-bar button').first().click();
  await Promise.all(seen);
});
