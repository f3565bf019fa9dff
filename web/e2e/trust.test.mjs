// LAN mode, as a phone has it: a page that tells how to trust the server's authority, and what HTTPS brings then.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  isMoving,
  LIVE,
  openPage,
  player,
  prefer,
  pressGoLive,
  startBrowser,
  startServer,
  TEST_MAX,
  untilState,
} from './house.mjs';

const run = promisify(execFile);

/** A name for which no browser makes an exception, as it does for localhost. */
const NAME = 'abanico-test.local';
const FLAGS = [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`];
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';

const ANDROID =
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36';
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A home folder whose browsers trust this authority. */
async function homeThatTrusts(t, certificate) {
  const home = await mkdtemp(join(tmpdir(), 'abanico-home-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const database = join(home, '.pki', 'nssdb');
  await mkdir(database, { recursive: true });
  const file = join(home, 'ca.crt');
  await writeFile(file, certificate);
  const certutil = (...args) => run('certutil', ['-d', `sql:${database}`, ...args]);
  await certutil('-N', '--empty-password');
  await certutil('-A', '-n', 'abanico', '-t', 'C,,', '-i', file);
  return home;
}

/** All that a page's address and its history tell. */
const addresses = (page) => page.evaluate(() => [location.href, document.referrer].join(' '));

test(
  'a phone that scans the code is taken through trusting the server to its camera, and is seen on a second screen',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t, ['--lan', '--lan-names', NAME, '--tls-listen', '127.0.0.1:0']);
    const about = await (await fetch(`${server.origin}/trust/about.json`)).json();
    const plain = `http://${NAME}:${server.port}`;
    const secure = `https://${NAME}:${about.httpsPort}`;
    // As the page at the server's machine asks for it, to draw it.
    const scanned = async () => {
      const response = await fetch(`${server.origin}/trust/code`, { method: 'POST' });
      const { code, seconds } = await response.json();
      assert.ok(seconds > 60, `${seconds}`);
      return { code, address: `${plain}/trust#pair=${code}` };
    };

    // A phone that was told nothing yet.
    const stranger = await startBrowser(t, FLAGS);
    const phone = await openPage(stranger, { ...PHONE, userAgent: IPHONE });
    await phone.goto((await scanned()).address);
    await phone.getByRole('link', { name: 'Get the profile' }).first().waitFor();
    assert.equal(await phone.evaluate(() => isSecureContext), false);
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is too wide');
    await assert.rejects(phone.goto(`${secure}/`), /ERR_CERT_AUTHORITY_INVALID/);
    const profile = await fetch(`${server.origin}/trust/abanico-ca.mobileconfig`);
    assert.equal(profile.headers.get('content-type'), 'application/x-apple-aspen-config');
    // The page at the machine shows the code, and says what it does.
    const desk = await openPage(stranger);
    await desk.goto(`${server.origin}/trust`);
    if (about.address !== null) await desk.locator('#code').waitFor();

    const response = await fetch(`${server.origin}/trust/abanico-ca.crt`);
    assert.equal(response.headers.get('content-type'), 'application/x-x509-ca-cert');
    const home = await homeThatTrusts(t, Buffer.from(await response.arrayBuffer()));
    const trusting = await startBrowser(t, FLAGS, { ...process.env, HOME: home });
    const camera = await openPage(trusting, { ...PHONE, userAgent: ANDROID });
    await prefer(camera, LIVE);
    // It trusts the server only after the page has come up, and the page notices by itself.
    let asked = 0;
    await camera.route(`${secure}/trust/about.json`, (route) => (asked++ === 0 ? route.abort() : route.continue()));
    const { code, address } = await scanned();
    await camera.goto(address);
    await camera.locator('#trusted').waitFor();
    assert.ok(!(await addresses(camera)).includes(code), 'the code stays in the address');
    camera.complaints.length = 0;
    await camera.locator('#trusted').click();
    await camera.locator('#proof-secure.good').waitFor();
    await camera.locator('#proof-camera.good').waitFor();
    await camera.locator('#try-camera').click();
    await camera.locator('video:not([hidden])').waitFor();
    await camera.locator('a[href="/streamer.html"]').last().click();
    // Nobody types a key.
    await camera.locator('[data-about="pairing"]', { hasText: 'may go live' }).waitFor();
    assert.ok(await camera.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is too wide');
    const link = await pressGoLive(camera);
    assert.ok(link.startsWith(secure), link);
    assert.ok(!(await addresses(camera)).includes(code), 'the code stays in the address');

    const screen = await openPage(trusting);
    await screen.goto(link);
    await untilState(screen, 'playing');
    // Decoders, too, are given to secure contexts alone.
    assert.equal((await player(screen)).path, 'webcodecs');
    assert.ok(await isMoving(screen), 'the picture stands still');
    for (const page of [camera, screen]) assert.deepEqual(page.complaints, []);

    // Who trusts the server already is taken straight to the streamer's page; a code is good once.
    const again = await openPage(trusting, { ...PHONE, userAgent: ANDROID });
    const other = await scanned();
    await again.goto(other.address);
    await again.waitForURL(`${secure}/streamer.html`);
    await again.locator('[data-about="pairing"]', { hasText: 'may go live' }).waitFor();
    const late = await openPage(trusting, { ...PHONE, userAgent: ANDROID });
    await late.goto(other.address);
    await late.waitForURL(`${secure}/streamer.html`);
    await late.locator('[data-about="pairing"]', { hasText: 'was used' }).waitFor();
  },
);
