// LAN mode, as a phone has it: a page that tells how to trust the server's authority, and what HTTPS brings then.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { goLive, isMoving, LIVE, openPage, player, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

const run = promisify(execFile);

/** A name for which no browser makes an exception, as it does for localhost. */
const NAME = 'abanico-test.local';
const FLAGS = [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`];
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';

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

test(
  'a device that is told to trust the authority has a camera, and is seen on a second screen',
  TEST_MAX,
  async (t) => {
    const server = await startServer(t, [
      '--lan',
      '--lan-names',
      NAME,
      '--tls-listen',
      '127.0.0.1:0',
      '--publishing',
      'open',
    ]);
    const about = await (await fetch(`${server.origin}/trust/about.json`)).json();
    const plain = `http://${NAME}:${server.port}`;
    const secure = `https://${NAME}:${about.httpsPort}`;

    // A phone that was told nothing yet.
    const stranger = await startBrowser(t, FLAGS);
    const phone = await openPage(stranger, { userAgent: IPHONE, viewport: { width: 390, height: 844 } });
    await phone.goto(`${plain}/trust`);
    await phone.getByRole('link', { name: 'Get the profile' }).first().waitFor();
    assert.equal(await phone.evaluate(() => isSecureContext), false);
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is too wide');
    await assert.rejects(phone.goto(`${secure}/`), /ERR_CERT_AUTHORITY_INVALID/);
    const profile = await fetch(`${server.origin}/trust/abanico-ca.mobileconfig`);
    assert.equal(profile.headers.get('content-type'), 'application/x-apple-aspen-config');

    const response = await fetch(`${server.origin}/trust/abanico-ca.crt`);
    assert.equal(response.headers.get('content-type'), 'application/x-x509-ca-cert');
    const home = await homeThatTrusts(t, Buffer.from(await response.arrayBuffer()));
    const trusting = await startBrowser(t, FLAGS, { ...process.env, HOME: home });
    const camera = await openPage(trusting, { viewport: { width: 390, height: 844 } });
    await camera.goto(`${plain}/trust`);
    // The page notices by itself.
    await camera.locator('#trusted').click();
    await camera.locator('#proof-secure.good').waitFor();
    await camera.locator('#proof-camera.good').waitFor();
    await camera.locator('#try-camera').click();
    await camera.locator('video:not([hidden])').waitFor();
    const link = await goLive(camera, secure, LIVE);
    assert.ok(link.startsWith(secure), link);

    const screen = await openPage(trusting);
    await screen.goto(link);
    await untilState(screen, 'playing');
    // Decoders, too, are given to secure contexts alone.
    assert.equal((await player(screen)).path, 'webcodecs');
    assert.ok(await isMoving(screen), 'the picture stands still');
    for (const page of [camera, screen]) assert.deepEqual(page.complaints, []);
  },
);
