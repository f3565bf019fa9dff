// What ffmpeg sends with PUT, which cannot be asked for a keyframe and is started anew by hand.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMoving, moreFrames, openPage, startBrowser, startServer, TEST_MAX, untilState } from './house.mjs';

const INPUT = ['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=30'];
const VP8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '300k'];
const OUTPUT = ['-f', 'webm', '-live', '1', '-cluster_time_limit', '100', '-flush_packets', '1', '-method', 'PUT'];

/** An ffmpeg with a keyframe every so many pictures; `end` lets it come to its end as Ctrl-C does. */
function startFfmpeg(t, origin, key, keyframes) {
  const args = [...INPUT, ...VP8, '-g', String(keyframes), ...OUTPUT, `${origin}/live/${key}`];
  const child = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...args], { stdio: 'ignore' });
  const isOver = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await isOver;
  });
  return {
    async end() {
      child.kill('SIGINT');
      await isOver;
    },
  };
}

/** Waits until the stream can be watched. */
async function untilLive(origin, key) {
  for (;;) {
    const streams = await fetch(`${origin}/streams`).then((response) => response.json());
    if (JSON.stringify(streams).includes(`"${key}"`)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('who comes late in a long group sees it move, and waits for no keyframe', TEST_MAX, async (t) => {
  const server = await startServer(t);
  // There is one keyframe, and there will never be another one.
  startFfmpeg(t, server.origin, 'long', 100_000);
  await untilLive(server.origin, 'long');
  const browser = await startBrowser(t);
  const early = await openPage(browser);
  await early.goto(`${server.origin}/watch/long`);
  await untilState(early, 'playing');
  await moreFrames(early, 250);
  const late = await openPage(browser);
  await late.goto(`${server.origin}/watch/long`);
  await late.locator('abanico-player[state="playing"][data-path="webcodecs"]').waitFor();
  assert.ok(await isMoving(late), 'the picture stands still');
  for (const page of [early, late]) assert.deepEqual(page.complaints, []);
});

/** Somebody's page with a player in it. */
async function embedded(t, origin, key) {
  const body = `<abanico-player stream-key="${key}" autoplay muted></abanico-player>`;
  const site = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><script src="${origin}/abanico.js"></script>${body}`);
  });
  await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
  t.after(() => site.close());
  return `http://127.0.0.1:${site.address().port}/`;
}

for (const [where, address] of [
  ['an embedded player', embedded],
  ['the viewer page', (_t, origin, key) => `${origin}/watch/${key}`],
]) {
  test(`a key that is opened again plays by itself: ${where}`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const first = startFfmpeg(t, server.origin, 'again', 30);
    await untilLive(server.origin, 'again');
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(await address(t, server.origin, 'again'));
    await untilState(viewer, 'playing');
    const knock = viewer.waitForEvent('websocket', (socket) => socket.url().includes('/live/'));
    await first.end();
    await untilState(viewer, 'ended');
    // It has asked once, in vain.
    const asked = await knock;
    if (!asked.isClosed()) await asked.waitForEvent('close');
    startFfmpeg(t, server.origin, 'again', 30);
    await untilState(viewer, 'playing');
    assert.ok(await isMoving(viewer), 'the picture stands still');
    assert.deepEqual(viewer.complaints, []);
  });
}

const FILM = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=30', '-f', 'lavfi', '-i', 'sine=sample_rate=48000'];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '60'];
const FRAGMENTS = ['-f', 'mp4', '-movflags', 'empty_moov+frag_every_frame+default_base_moof'];

for (const [what, encoding, container] of [
  ['pictures in another order than they are shown in', ['-bf', '3', '-b_strategy', '0', '-an'], ['-f', 'matroska']],
  ['AAC that ffmpeg stamps in pairs', ['-c:a', 'aac', '-bf', '0'], FRAGMENTS],
]) {
  test(`MediaSource has every picture of a film that is copied: ${what}`, TEST_MAX, async (t) => {
    const server = await startServer(t);
    const folder = await mkdtemp(join(tmpdir(), 'abanico-film-'));
    t.after(() => rm(folder, { recursive: true }));
    const film = join(folder, 'film.mp4');
    execFileSync('ffmpeg', ['-loglevel', 'error', ...FILM, ...H264, ...encoding, '-t', '20', film]);
    const copy = ['-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', film, '-c', 'copy'];
    const url = `${server.origin}/live/film`;
    const child = spawn('ffmpeg', [...copy, ...container, '-method', 'PUT', url], { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    await untilLive(server.origin, 'film');
    const viewer = await openPage(await startBrowser(t));
    await viewer.goto(`${server.origin}/watch/film?transport=mse`);
    await untilState(viewer, 'playing');
    const rate = await viewer.evaluate(picturesPerMediaSecond);
    assert.ok(rate > 20, `${rate} pictures in a second of the film`);
  });
}

/** Runs in the viewer's page: of three seconds of the film, however long they take. */
async function picturesPerMediaSecond() {
  const video = document.querySelector('abanico-player').shadowRoot.querySelector('video');
  const [time, pictures] = [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames];
  while (video.currentTime < time + 3) await new Promise((seen) => video.requestVideoFrameCallback(seen));
  return (video.getVideoPlaybackQuality().totalVideoFrames - pictures) / (video.currentTime - time);
}
