// Makes docs/screenshot.png: a publisher and a viewer of the same stream, from the real server and a real browser.
//
// Run by `cargo xtask screenshot`; the picture must stay small, because it lives in the repository.

import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DEMO, goLive, isMoving, openPage, startBrowser, startServer, untilState } from './house.mjs';

const OUT = new URL('../../docs/screenshot.png', import.meta.url).pathname;
const BYTES_MAX = 200_000;

const ends = [];
const house = { after: (end) => ends.unshift(end) };
try {
  const server = await startServer(house);
  const browser = await startBrowser(house);
  const publisher = await openPage(browser, { viewport: { width: 1180, height: 760 }, colorScheme: 'dark' });
  const link = await goLive(publisher, server.origin, { ...DEMO, source: 'test', name: 'Ada' });
  const viewer = await openPage(browser, { viewport: { width: 1180, height: 760 }, colorScheme: 'light' });
  await viewer.goto(link);
  await untilState(viewer, 'playing');
  await say(viewer, 'Hola from Valencia!', 'Bea');
  await say(publisher, 'Welcome, Bea');
  await say(viewer, 'The picture is here at once');
  await viewer.locator('chat-panel .content').nth(2).waitFor();
  assert.ok(await isMoving(viewer), 'the picture stands still');
  await viewer.locator('reception-line[data-quality="good"]').waitFor();
  for (const page of [publisher, viewer]) {
    await page.evaluate(() => {
      document.activeElement?.blur();
      scrollTo(0, 0);
    });
  }
  const shots = [await publisher.screenshot(), await viewer.screenshot()];

  const frame = await openPage(browser, { viewport: { width: 1400, height: 660 } });
  await frame.setContent('<body style="margin:0;background:#efe9e0;position:relative;height:660px;overflow:hidden">');
  await frame.evaluate(
    async (images) => {
      const places = [
        ['left:30px;top:26px;width:820px', 1],
        ['left:590px;top:132px;width:780px', 2],
      ];
      for (const [i, data] of images.entries()) {
        const image = new Image();
        image.src = `data:image/png;base64,${data}`;
        image.style = `position:absolute;border-radius:14px;box-shadow:0 14px 40px #0006;${places[i][0]}`;
        document.body.append(image);
        await image.decode();
      }
    },
    shots.map((shot) => shot.toString('base64')),
  );
  await mkdir(dirname(OUT), { recursive: true });
  await writeFile(OUT, await frame.screenshot());
  const { size } = await stat(OUT);
  console.log(`${OUT}: ${size} bytes`);
  assert.ok(size < BYTES_MAX, `the picture has ${size} bytes; the bound is ${BYTES_MAX}`);
} finally {
  for (const end of ends) await end();
}

async function say(page, text, name) {
  await page.locator('chat-panel .write input').fill(text);
  await page.locator('chat-panel .write button').click();
  if (name) {
    await page.locator('chat-panel .name-form input').fill(name);
    await page.locator('chat-panel .name-form button').click();
  }
  await page.locator('chat-panel .content', { hasText: text }).waitFor();
}
