// A browser for the tests that need one: started once for a file, with a page of its own for each test.

import { createRequire } from 'node:module';
import { BROWSER_FLAGS, browserPath } from '../../web/e2e/house.mjs';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');

/** A browser in which media play by themselves. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: browserPath(),
    args: [...BROWSER_FLAGS, '--autoplay-policy=no-user-gesture-required'],
  });
}

/** An empty page of the server's; it is closed with the test. */
export async function openPage(t, browser, server) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${server.url}/health`);
  return page;
}
