// A recording that is published in pieces cut anywhere, and a viewer that comes in the middle: what it gets, put end to
// end, is a recording that ffmpeg plays without a complaint.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, settled } from './node.mjs';

const run = promisify(execFile);
const ffmpeg = ['-hide_banner', '-loglevel', 'error'];

let server;
let recording;
before(async () => {
  server = await Server.start();
  const { stdout } = await run(
    'ffmpeg',
    [
      ...ffmpeg, '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=30', '-f', 'lavfi', '-i', 'sine=frequency=440',
      '-t', '8', '-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '600k', '-g', '30', '-c:a', 'libopus',
      '-f', 'webm', '-live', '1', '-cluster_time_limit', '500', 'pipe:1',
    ],
    { encoding: 'buffer', maxBuffer: 64 << 20 },
  );
  recording = stdout;
});
after(() => server.stop());

/** Cuts where nothing fits: the first piece is a single byte, as Chromium's may be. */
function pieces(bytes, sizes) {
  const cut = [bytes.subarray(0, 1)];
  for (let at = 1, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length];
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cut;
}

/** What ffmpeg says of a recording: its complaints, and how many pictures it decodes. */
async function play(bytes) {
  const player = spawn('ffprobe', [
    ...ffmpeg, '-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames:packet=flags',
    '-show_packets', '-of', 'json', '-i', 'pipe:0',
  ]);
  player.stdin.on('error', () => {});
  player.stdin.end(bytes);
  let [out, complaints] = ['', ''];
  player.stdout.on('data', (text) => (out += text));
  player.stderr.on('data', (text) => (complaints += text));
  await once(player, 'close');
  const { streams, packets } = JSON.parse(out);
  return { complaints, frames: Number(streams[0].nb_read_frames), first: packets[0].flags };
}

const binary = (piece) => piece;
const base64 = (piece) => Buffer.from(piece).toString('base64');
const dataUrl = (piece) => `data:video/webm;codecs=vp8,opus;base64,${base64(piece)}`;

const forms = [
  ['binary', binary, (data) => data],
  ['bare base64', base64, (data) => Buffer.from(data, 'base64')],
  ['data URLs', dataUrl, (data) => Buffer.from(data.slice(data.lastIndexOf(',') + 1), 'base64')],
];

for (const [name, write, read] of forms) {
  test(`a viewer that comes in the middle of a recording in ${name} can play all it gets`, async () => {
    const ada = await server.publisher();
    const early = await server.viewer(ada.key, 'early');
    const cut = pieces(recording, [7_001, 13, 4_099, 30_011]);
    const middle = Math.floor(cut.length / 2);
    cut.slice(0, middle).forEach((piece) => ada.send(write(piece)));
    await ada.barrier();
    const late = await server.viewer(ada.key, 'late');
    cut.slice(middle).forEach((piece) => ada.send(write(piece)));
    await settled(ada, early, late);

    const live = (viewer) => viewer.all('stream:data').map((frame) => Buffer.from(read(frame.data)));
    assert.ok(Buffer.concat(live(early)).equals(recording), 'who was there first has every byte');

    const [buffer] = late.all('stream:buffer');
    const all = Buffer.concat([...buffer.frames.map((frame) => Buffer.from(read(frame.data))), ...live(late)]);
    const played = await play(all);
    assert.equal(played.complaints, '');
    assert.equal(played.first[0], 'K', 'the first packet is a keyframe');
    const whole = await play(recording);
    assert.ok(played.frames < whole.frames && played.frames > whole.frames / 3, `${played.frames} of ${whole.frames}`);
  });
}

test('a publisher whose keyframes are too far apart is told once, with the remedy', async () => {
  const { stdout } = await run(
    'ffmpeg',
    [
      ...ffmpeg, '-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=10', '-t', '13', '-c:v', 'libvpx', '-deadline',
      'realtime', '-g', '1000', '-keyint_min', '1000', '-f', 'webm', '-live', '1', 'pipe:1',
    ],
    { encoding: 'buffer', maxBuffer: 64 << 20 },
  );
  const ada = await server.publisher();
  pieces(stdout, [5_003]).forEach((piece) => ada.send(piece));
  await ada.barrier();
  const warnings = ada.all('stream:warning');
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0].code, 'keyframes-far-apart');
  assert.match(warnings[0].message, /videoKeyFrameIntervalDuration/);
});

test('a recorder that is started again goes on for those who come after it', async () => {
  const ada = await server.publisher();
  const half = recording.subarray(0, recording.length / 2);
  pieces(half, [9_001]).forEach((piece) => ada.send(piece));
  pieces(recording, [8_009]).forEach((piece) => ada.send(piece));
  await ada.barrier();
  const late = await server.viewer(ada.key);
  const [buffer] = late.all('stream:buffer');
  const played = await play(Buffer.concat(buffer.frames.map((frame) => frame.data)));
  assert.equal(played.complaints, '');
  assert.ok(played.frames > 0);
});

test('a viewer that stalls is moved to the newest group, and what it has can still be played', async () => {
  const own = await Server.start({ args: ['--lag-bytes-max', '1MB', '--held-bytes-max', '64MiB'] });
  try {
    const ada = await own.publisher();
    const [quick, slow] = [await own.viewer(ada.key, 'quick'), await own.viewer(ada.key, 'slow')];
    const noisy = await run(
      'ffmpeg',
      [
        ...ffmpeg, '-f', 'lavfi', '-i', 'nullsrc=size=640x480:rate=30,geq=random(1)*255:128:128', '-t', '6', '-c:v',
        'libvpx', '-deadline', 'realtime', '-cpu-used', '16', '-b:v', '40M', '-minrate', '40M', '-g', '15', '-f', 'webm', '-live', '1', 'pipe:1',
      ],
      { encoding: 'buffer', maxBuffer: 256 << 20 },
    );
    const cut = pieces(noisy.stdout, [250_001, 120_011]);
    const tenth = Math.floor(cut.length / 10);
    // At the pace at which a viewer that reads can follow.
    const publish = async (pieces) => {
      for (const piece of pieces) {
        ada.send(piece);
        await quick.next('stream:data');
      }
    };
    await publish(cut.slice(0, tenth));
    await slow.next('stream:data');
    slow.stall();
    await publish(cut.slice(tenth, -tenth));
    slow.resume();
    await slow.next('stream:skipped');
    await publish(cut.slice(-tenth));
    await settled(ada, slow);
    assert.ok(Buffer.concat(quick.all('stream:data').map((frame) => frame.data)).equals(noisy.stdout));
    assert.deepEqual(quick.all('stream:skipped'), []);
    const skips = slow.all('stream:skipped');
    assert.ok(skips.length >= 1, 'it was moved on and told so');
    assert.ok(skips.every((skip) => skip.streamKey === ada.key && skip.frames > 0));
    const played = await play(Buffer.concat(slow.all('stream:data').map((frame) => frame.data)));
    assert.equal(played.complaints, '');
    const whole = await play(noisy.stdout);
    assert.ok(played.frames < whole.frames, `${played.frames} of ${whole.frames}`);
  } finally {
    await own.stop();
  }
});

test('a viewer of pictures that stalls goes on with the newest', async () => {
  const own = await Server.start({ args: ['--lag-bytes-max', '1MB'] });
  try {
    const ada = await own.publisher();
    const [quick, slow] = [await own.viewer(ada.key, 'quick'), await own.viewer(ada.key, 'slow')];
    const picture = (n) => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(400_000, n)]);
    slow.stall();
    for (let n = 0; n < 120; n++) {
      ada.send(picture(n));
      await quick.next('stream:data');
    }
    slow.resume();
    const [skip] = [await slow.next('stream:skipped')];
    assert.ok(skip.frames > 20, `${skip.frames} frames`);
    ada.send(picture(120));
    await slow.next('stream:data', (frame) => frame.data[10] === 120);
    const numbers = slow.all('stream:data').map((frame) => frame.data[10]);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), 'in order');
    assert.equal(numbers.length + slow.all('stream:skipped').reduce((sum, { frames }) => sum + frames, 0), 121);
  } finally {
    await own.stop();
  }
});
