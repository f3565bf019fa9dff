// The pages themselves: nothing complains, nothing is too wide, languages and themes, what cannot be done is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEMO,
  goLive,
  openPage,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
  VIDEO,
  violations,
} from './house.mjs';

test('no page violates its policy or complains, in either language and theme', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser);
  const link = await goLive(publisher, server.origin, VIDEO);
  for (const [locale, colorScheme] of [
    ['es-ES', 'dark'],
    ['en-GB', 'light'],
  ]) {
    const page = await openPage(browser, { locale, colorScheme });
    for (const [path, ready] of [
      ['/', 'stream-list[data-count]'],
      ['/viewer.html', 'join-form input'],
      [new URL(link).pathname, 'abanico-player[state="playing"]'],
      ['/watch/0123456789abcdef0123456789abcdef', 'abanico-player[state="not-found"]'],
      ['/streamer.html', 'abanico-publisher[state]'],
    ]) {
      const response = await page.goto(server.origin + path);
      assert.match(response.headers()['content-security-policy'] ?? '', /default-src 'self'/);
      await page.locator(ready).first().waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
    }
    assert.deepEqual(page.complaints, []);
  }
  assert.deepEqual(publisher.complaints, []);
});

test('a script that comes into a page does not run, and is noticed here', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(browser);
  await page.goto(`${server.origin}/streamer.html`);
  const [blocked, isIsolated] = await page.evaluate(async () => {
    const blocked = [];
    const counted = new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        if (blocked.push(effectiveDirective) === 4) resolve();
      });
    });
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    const foreign = document.createElement('script');
    foreign.src = 'https://example.org/script.js';
    document.body.append(script, foreign);
    document.body.insertAdjacentHTML('beforeend', '<i style="color: red"></i>');
    fetch('http://127.0.0.1:9/').catch(() => {});
    await counted;
    return [blocked.sort(), window.crossOriginIsolated];
  });
  assert.deepEqual(blocked, ['connect-src', 'script-src-elem', 'script-src-elem', 'style-src-attr']);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.ok(isIsolated, 'no other page shares its memory');
  assert.ok(violations(browser).splice(0).length >= 4);
});

test('on a phone’s width no page scrolls sideways', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const publisher = await openPage(browser, { viewport: { width: 360, height: 740 } });
  const link = await goLive(publisher, server.origin, DEMO);
  const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  assert.ok(await fits(publisher), 'the streamer page is too wide while live');
  const phone = await openPage(browser, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  for (const locale of ['es', 'en']) {
    for (const path of ['/', '/streamer.html', '/viewer.html', new URL(link).pathname]) {
      await phone.goto(server.origin + path);
      await phone.locator('app-header label', { hasText: locale.toUpperCase() }).click();
      assert.ok(await fits(phone), `${path} is too wide in ${locale}`);
    }
  }
  await untilState(phone, 'playing');
});

test('language and theme change in place and are remembered', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const page = await openPage(await startBrowser(t), { colorScheme: 'light' });
  await page.goto(server.origin);
  await page.getByRole('heading', { name: 'Live now' }).waitFor();
  await page.locator('app-header label', { hasText: 'ES' }).click();
  await page.getByRole('heading', { name: 'Ahora en directo' }).waitFor();
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole('radio', { name: 'Oscuro' }).check({ force: true });
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole('heading', { name: 'Ahora en directo' }).waitFor();
  assert.equal(await background(), dark);
});

test(
  'without a safe address the streamer page says what to do, and with the key the test picture goes live',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t, [], '0.0.0.0:0');
    // A name that is not localhost, as in a LAN; resolved to this machine.
    const browser = await startBrowser(t, ['--host-resolver-rules=MAP lan.test 127.0.0.1']);
    const page = await openPage(browser);
    await page.goto(`http://lan.test:${server.port}/streamer.html`);
    await page.getByRole('alert').filter({ hasText: 'http://localhost' }).waitFor();
    await page.locator('source-settings label', { hasText: 'Test picture' }).click();
    await page.locator('source-settings label', { hasText: 'Demo' }).click();
    // Under that name the machine is not this one: the page asks for the key, and again when it is wrong.
    const start = () => page.locator('#start').click();
    const alert = (text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
    const field = page.getByLabel('Operator’s key');
    assert.ok(!(await field.isVisible()));
    await start();
    await alert('asks for the key');
    await field.fill('abk-00000-00000-00000-00000-00000');
    await start();
    await alert('not the operator’s key');
    await field.fill(` ${(await server.key).toUpperCase()} `);
    await field.press('Enter');
    await page.locator('.desk[data-state="live"]').waitFor();
    assert.ok(!(await field.isVisible()));
    const linked = await openPage(browser);
    await linked.goto(`http://lan.test:${server.port}/streamer.html#key=${await server.key}`);
    await linked.locator('#start').waitFor();
    assert.equal(new URL(linked.url()).hash, '');
    assert.equal(await linked.evaluate(() => sessionStorage.getItem('abanico.key')), await server.key);
    const viewer = await openPage(browser);
    await viewer.goto(await page.locator('share-card').getAttribute('data-url'));
    await untilState(viewer, 'playing');
    // The tab knows the key from now on.
    await page.locator('#stop').click();
    await page.locator('#stop').click();
    await page.locator('.desk[data-state="ended"]').waitFor();
    await start();
    await page.locator('.desk[data-state="live"]').waitFor();
  },
);

test('a refused camera is said in plain words', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(browser);
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await page.goto(`${server.origin}/streamer.html`);
  await page.getByRole('alert').filter({ hasText: 'refused' }).waitFor();
  assert.deepEqual(page.complaints, []);
});

test('the link can be copied and its code read', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const page = await openPage(await startBrowser(t), { permissions: ['clipboard-read', 'clipboard-write'] });
  const link = await goLive(page, server.origin, DEMO);
  await page.locator('share-card button[type=button]').click();
  await page.locator('share-card button', { hasText: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  const modules = await page.locator('share-card canvas').evaluate((canvas) => canvas.width);
  assert.ok(modules >= 29, `the code has ${modules} modules`);
});
