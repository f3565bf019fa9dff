// Broken media at every ingest door: whoever watches goes on as soon as something is whole again, nobody else notices, the
// server does not grow, and whoever publishes is told what is wrong.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Server } from '../streamhub/node.mjs';
import { h264, Native, vp8 } from './native.mjs';
import { Get, live, pictures, pieces, probe, Put, put, recording, tidy, unpacked } from './peers.mjs';

const run = promisify(execFile);

let server;
let innocent;
before(async () => {
  server = await Server.start();
  const publisher = await Native.publish(server, 'innocent');
  publisher.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'vp8', width: 160, height: 120 }] });
  innocent = { publisher, viewer: await watch('innocent'), frames: await vp8(20), rounds: 0 };
  await sendInnocent();
  // It begins with the newest group, which is the second half of what was sent.
  innocent.get = await Get.open(server, '/live/innocent.webm');
});
after(async () => {
  await server.stop();
  await tidy();
});

/** A viewer at the native door that has its place in the stream. */
async function watch(key) {
  const viewer = await Native.watch(server, key);
  viewer.say({ type: 'clock', id: 'joined' });
  await viewer.heard('clock');
  return viewer;
}

async function sendInnocent() {
  const { publisher, viewer, frames } = innocent;
  publisher.send(frames, innocent.rounds++ * frames.length * 33_333);
  await viewer.got(innocent.rounds * frames.length);
}

/** The other stream goes on, and its viewers lack nothing: all that the one over HTTP was given can be decoded. */
async function nobodyElseNotices() {
  const { viewer, get, frames } = innocent;
  await sendInnocent();
  assert.deepEqual(viewer.frames.map((frame) => frame.sequence), viewer.frames.map((_, n) => n));
  const sent = innocent.rounds * frames.length - frames.length / 2;
  await server.until(async () => (await probe(get.soFar())).packets >= sent);
  const played = await probe(get.soFar());
  assert.deepEqual([played.complaints, played.first, played.packets, played.frames], ['', 'K', sent, sent]);
}

/** The server's memory in kB. */
async function rss() {
  return Number((await run('ps', ['-o', 'rss=', '-p', String(server.child.pid)])).stdout);
}

async function doesNotGrow(what) {
  const earlier = await rss();
  await what();
  const grown = (await rss()) - earlier;
  assert.ok(grown < 60_000, `${grown} kB more`);
}

/** Numbers that are the same in every run. */
function dice(seed) {
  return (below) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
}

/** Copies with wrong bytes, cut off anywhere. */
function* damaged(bytes, rounds, random) {
  for (let round = 0; round < rounds; round++) {
    const copy = Buffer.from(bytes);
    for (let hit = 0; hit < 1 + random(40); hit++) copy[random(copy.length)] = random(256);
    yield copy.subarray(0, 1 + random(copy.length));
  }
}

/** What a viewer at the native door has of the pictures. */
const shown = (viewer) => viewer.frames.filter((frame) => frame.track === 0).map((frame) => frame.payload);

/** That the last that a viewer was given is the end of what was whole. */
function endsLike(viewer, whole, count = 10) {
  assert.deepEqual(shown(viewer).slice(-count), whole.slice(-count));
}

/** Resolves with true when a viewer is given the end of what was whole, once more. */
function showsAgain(viewer, whole, count = 10) {
  const last = whole.slice(-count);
  const before = viewer.frames.length;
  return new Promise((resolve) => {
    const look = () => {
      if (viewer.frames.length < before + count || !viewer.frames.at(-1).payload.equals(last.at(-1))) return;
      const all = shown(viewer).slice(-count);
      if (!all.every((payload, n) => payload.equals(last[n]))) return;
      viewer.waiting.delete(look);
      resolve(true);
    };
    viewer.waiting.add(look);
  });
}

const jpegs = async () => Buffer.concat(pictures(await recording('JPEG')));

for (const kind of ['WebM VP8', 'WebM AV1', 'Matroska H.264', 'JPEG in a row']) {
  test(`${kind} that is broken again and again over PUT`, async () => {
    const key = `put-${kind}`.replace(/[^A-Za-z0-9]/g, '-');
    const bytes = kind === 'JPEG in a row' ? await jpegs() : await recording(kind);
    const reference = await whole(bytes, `${key}-whole`);
    const request = new Put(server, key);
    await request.write(bytes.subarray(0, bytes.length / 2));
    await live(server, key);
    const viewer = await watch(key);
    await viewer.got(1);
    const door = { 'WebM VP8': 'webm', 'WebM AV1': 'webm', 'Matroska H.264': 'mp4', 'JPEG in a row': 'mjpeg' }[kind];
    const get = await Get.open(server, `/live/${key}.${door}`);
    // No quicker than it reads: every JPEG is a group, and who is two groups behind is moved on.
    let sent = Math.floor(bytes.length / 2);
    await get.caughtUp(bytes.subarray(0, sent));
    for (const piece of pieces(bytes.subarray(sent))) {
      await request.write(piece);
      sent += piece.length;
      await get.caughtUp(bytes.subarray(0, sent));
    }
    await viewer.until(() => shown(viewer).some((payload) => payload.equals(reference.at(-1))), 'all of it was shown');
    let before;
    await server.until(async () => (before = await unpacked(get.soFar(), door)).packets > 10);
    await doesNotGrow(async () => {
      for (const broken of damaged(bytes, 30, dice(11))) await request.write(broken);
    });
    // What was cut off may seem to reach far into what is whole, and nobody says how far: then it is sent once more.
    const again = showsAgain(viewer, reference);
    let isShown = false;
    const hasMore = async () => (await unpacked(get.soFar(), door)).packets >= before.packets + 10;
    for (let round = 0; round < 60 && !(isShown && (await hasMore())); round++) {
      await request.write(bytes);
      isShown = await Promise.race([again, sleep(300, false)]);
    }
    assert.ok(isShown, 'what is whole again is shown');
    assert.equal((await request.end()).status, 200);
    await viewer.ended();
    // The HTTP viewer was there to the end, too, and whatever was in the frames, what they are packed in is in order. What
    // had come before may have ended within a frame, which is no fault: all of it is in the whole.
    const all = await unpacked(await get.ended, door);
    assert.equal(all.complaints, '');
    assert.ok(all.packets >= before.packets + 10, `${before.packets} pictures, then ${all.packets}`);
    await nobodyElseNotices();
  });
}

/** The pictures of a recording as a viewer at the native door is given them who is there from the beginning. */
async function whole(bytes, key) {
  const request = new Put(server, key);
  await server.until(async () => (await fetch(`${server.url}/live/${key}.jpg`)).status !== 404);
  const viewer = await watch(key);
  await request.write(bytes);
  assert.equal((await request.end()).status, 200);
  await viewer.ended();
  return shown(viewer);
}

for (const kind of ['WebM VP8', 'Matroska H.264', 'fMP4 H.264', 'JPEG']) {
  test(`${kind} that is broken again and again over Socket.IO`, async () => {
    const bytes = await recording(kind);
    const cut = kind === 'JPEG' ? pictures(bytes) : pieces(bytes, [40_000]);
    const ada = await server.publisher();
    const bob = await server.viewer(ada.key, 'bob');
    const viewer = await watch(ada.key);
    cut.forEach((piece) => ada.send(piece));
    await ada.barrier();
    const picturesOf = kind === 'JPEG' ? cut.length : undefined;
    await viewer.got(picturesOf ?? 30);
    const random = dice(13);
    let sent = cut.length;
    await doesNotGrow(async () => {
      for (const broken of damaged(kind === 'JPEG' ? cut[0] : bytes, 30, random)) {
        for (const piece of pieces(broken, [40_000])) {
          ada.send(piece);
          sent++;
        }
        await ada.barrier();
      }
    });
    const shownBefore = shown(viewer).length;
    cut.forEach((piece) => ada.send(piece));
    sent += cut.length;
    await ada.barrier();
    ada.emit('stream:end', { streamKey: ada.key });
    await ada.next('stream:ended');
    await viewer.ended();
    await bob.next('stream:ended');
    // Over Socket.IO every byte is passed on as it came, whole or not.
    assert.equal(bob.all('stream:data').length, sent);
    assert.deepEqual(bob.all('stream:data').at(-1).data, cut.at(-1));
    assert.ok(shown(viewer).length > shownBefore, 'what is whole again is shown');
    if (kind === 'JPEG') endsLike(viewer, cut, 1);
    else endsLike(viewer, await whole(bytes, `${ada.key}-whole`));
    await nobodyElseNotices();
  });
}

for (const [codec, make] of [['vp8', vp8], ['avc1.42E01F', h264]]) {
  test(`${codec} that is broken again and again at the native door`, async (t) => {
    const frames = await make(30);
    const key = `native-${codec.slice(0, 4)}`;
    const publisher = await Native.publish(server, key);
    t.after(() => publisher.close());
    publisher.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec, width: 160, height: 120 }] });
    const viewer = await watch(key);
    publisher.send(frames);
    await viewer.got(30);
    const reference = shown(viewer).slice();
    const random = dice(17);
    await doesNotGrow(async () => {
      for (let round = 0; round < 40; round++) {
        for (const { payload, keyframe } of frames) {
          const [broken] = damaged(payload, 1, random);
          // Also with flags, times and durations that cannot be.
          const timestamp = random(2) ? random(1_000_000_000) : -random(1_000_000);
          publisher.frame({ payload: random(20) ? broken : Buffer.alloc(0), keyframe: keyframe !== (random(5) === 0) }, timestamp, { duration: random(2_147_483_647) });
        }
        publisher.say({ type: 'clock', id: `round ${round}` });
        await publisher.until(() => publisher.texts.find((one) => one.id === `round ${round}`), 'it was read');
      }
    });
    publisher.send(frames, 2_000_000_000);
    publisher.say({ type: 'end' });
    await viewer.ended();
    endsLike(viewer, reference);
    assert.equal(publisher.texts.filter((one) => one.code === 'left-out').length, 1, 'it is told, once');
    await nobodyElseNotices();
  });
}

/** Bytes that mean nothing, the same in every run. */
function rubbish(length) {
  const random = dice(23);
  return Buffer.from({ length }, () => random(65_536) >> 8);
}

/** A recording that is written as a file, not as a stream. */
async function unfragmented() {
  const folder = await mkdtemp(join(tmpdir(), 'abanico-file-'));
  const path = join(folder, 'file.mp4');
  const input = ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=64x64:rate=10', '-t', '1', '-c:v', 'libx264'];
  await run('ffmpeg', [...input, '-movflags', 'faststart', path]);
  const bytes = await readFile(path);
  await rm(folder, { recursive: true });
  return bytes;
}

/** A recording without its last half, which ends in the middle of something. */
const half = (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2) + 1);

/** With bytes that mean nothing in place of some in its middle. */
function holed(bytes, mark, length = 5_000) {
  const at = bytes.indexOf(mark, bytes.length / 2);
  return Buffer.concat([bytes.subarray(0, at), rubbish(length), bytes.subarray(at + 700)]);
}

const headAndRubbish = (webm) => Buffer.concat([webm.subarray(0, webm.indexOf(CLUSTER)), rubbish(50_000)]);

const CLUSTER = Buffer.from('1f43b675', 'hex');
const NOTHING = (frames) => new RegExp(`^${frames} frames were published$`);

for (const [what, make, status, words] of [
  ['WebM that is whole', () => recording('WebM VP8'), 200, NOTHING('\\d+')],
  ['fMP4 that is whole', () => recording('fMP4 H.264'), 200, NOTHING('\\d+')],
  ['multipart that is whole', () => recording('JPEG'), 200, NOTHING(90)],
  ['JPEG in a row that is whole', jpegs, 200, NOTHING(90)],
  ['WebM and random bytes', async () => Buffer.concat([await recording('WebM VP8'), rubbish(300_000)]), 422, /^after \d+ frames and \d+ bytes the body is broken: \d{6} bytes of garbage came where a Cluster or an EBML header should begin$/],
  ['WebM and zeros', async () => Buffer.concat([await recording('WebM VP8'), Buffer.alloc(800_000)]), 422, /^after \d+ frames and \d+ bytes the body is broken: 800000 bytes of garbage came where a Cluster or an EBML header should begin$/],
  ['WebM cut in half', async () => half(await recording('WebM VP8')), 200, /^\d+ frames were published; the body ends in the middle of an? (block|element), and its last \d+ bytes were of no use$/],
  ['WebM with garbage in the middle', async () => holed(await recording('WebM VP8'), CLUSTER), 200, /^\d+ frames were published; \d+ bytes in the middle meant nothing and were passed over$/],
  ['fMP4 cut in half', async () => half(await recording('fMP4 H.264')), 200, /^\d+ frames were published; the body ends in the middle of an? (mdat box|moof box|box's header), and its last \d+ bytes were of no use$/],
  ['fMP4 and random bytes', async () => Buffer.concat([await recording('fMP4 H.264'), rubbish(50_000)]), 422, /^after \d+ frames, within its first \d+ bytes, the body is broken: no MP4 box begins where one should$/],
  ['MP4 that is not fragmented', unfragmented, 422, /^MP4 is not fragmented: write it with empty_moov and frag_keyframe or frag_every_frame$/],
  ['JPEG in a row and random bytes', async () => Buffer.concat([await jpegs(), rubbish(300_000)]), 422, /^after 90 frames and \d+ bytes the body is broken: 300000 bytes of garbage came where a picture should begin$/],
  ['JPEG in a row cut in half', async () => half(await jpegs()), 200, /^4\d frames were published; the body ends in the middle of a picture, and its last \d+ bytes were of no use$/],
  ['JPEG in a row with garbage in the middle', async () => holed(await jpegs(), Buffer.from('ffd8ff', 'hex')), 200, /^8\d frames were published; \d+ bytes in the middle meant nothing and were passed over$/],
  ['multipart and random bytes', async () => Buffer.concat([await recording('JPEG'), rubbish(50_000)]), 422, /^after 90 frames, within its first \d+ bytes, the body is broken: part headers of more than 4096 bytes$/],
  ['multipart cut in half', async () => half(await recording('JPEG')), 200, /^4\d frames were published; the body ends in the middle of a picture, and its last \d+ bytes were of no use$/],
]) {
  test(`over PUT the publisher is told of ${what}`, async () => {
    const answer = await put(server, `told-${what}`.replace(/[^A-Za-z0-9]/g, '-'), await make());
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, words);
  });
}

test('a body that goes on with nothing but garbage is read no further than 16 MiB of it', async () => {
  const request = new Put(server, 'endless');
  const [bytes, mebibyte] = [await recording('WebM VP8'), rubbish(1 << 20)];
  await request.write(bytes);
  for (let sent = 0; sent < 60 && !request.answered; sent++) await request.write(mebibyte);
  const { status, text } = await request.answer;
  assert.equal(status, 422);
  const garbage = Number(text.match(/^after \d+ frames and \d+ bytes the body is broken: (\d+) bytes of garbage came/)?.[1]);
  assert.ok(garbage > 16 << 20 && garbage < 20 << 20, text);
  await nobodyElseNotices();
});

test('what was whole before garbage is all shown', async () => {
  const bytes = await recording('WebM VP8');
  const reference = await whole(bytes, 'before-whole');
  const request = new Put(server, 'before');
  await server.until(async () => (await fetch(`${server.url}/live/before.jpg`)).status !== 404);
  const viewer = await watch('before');
  await request.write(Buffer.concat([bytes, rubbish(300_000)]));
  assert.equal((await request.end()).status, 422);
  await viewer.ended();
  assert.deepEqual(shown(viewer), reference);
});

test('at the native door a publisher is told what is wrong with its configuration', async () => {
  const publisher = await Native.publish(server, 'configured');
  const description = Buffer.from('0142001fffe1', 'hex').toString('base64');
  publisher.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'avc1.42001F', width: 64, height: 64, description }] });
  const { code, message } = await publisher.heard('error');
  assert.equal(code, 'malformed');
  assert.match(message, /^track 0: broken H264 configuration: its 6 bytes end before all was said that avcC has to say$/);
});

test('at the native door a publisher of messages that are no frames is told so, once', async () => {
  const publisher = await Native.publish(server, 'kinds');
  for (let round = 0; round < 20; round++) publisher.socket.send(Buffer.alloc(100, 7));
  publisher.say({ type: 'clock', id: 'read' });
  await publisher.heard('clock');
  const warnings = publisher.texts.filter((one) => one.type === 'warning');
  assert.deepEqual(warnings.map(({ code }) => code), ['unknown-kind']);
  assert.match(warnings[0].message, /begins with 7 is ignored: a frame begins with 1$/);
  publisher.close();
});

for (const [what, make, words, seen] of [
  ['WebM that is whole', () => recording('WebM VP8'), null, /^200$/],
  ['WebM that is begun anew in the middle of a block', async () => [half(await recording('WebM VP8')), await recording('WebM VP8')], null, /^200$/],
  ['fMP4 that is whole', () => recording('fMP4 H.264'), null, /^200$/],
  ['WebM and random bytes', async () => Buffer.concat([await recording('WebM VP8'), rubbish(1_000_000)]), /^En la grabación WebM hay bytes que no significan nada/, /^406 this stream is VP8, which cannot travel in MP4/],
  ['the head of a WebM and random bytes', async () => headAndRubbish(await recording('WebM VP8')), /^En la grabación WebM hay bytes que no significan nada/, /^503 what its publisher sends cannot be read now: bytes came where a Cluster or an EBML header should begin$/],
  ['the head of an fMP4 and random bytes', async () => Buffer.concat([(await recording('fMP4 H.264')).subarray(0, 900), rubbish(50_000)]), /^La grabación MP4 está dañada y no se puede leer más \(.+\)/, /^503 what its publisher sends cannot be read: .+$/],
  ['MP4 that is not fragmented', unfragmented, /^El MP4 no está fragmentado .* -movflags empty_moov/, /^503 what its publisher sends cannot be read: MP4 is not fragmented: write it with empty_moov/],
]) {
  test(`over Socket.IO the publisher and a viewer are told of ${what}`, async () => {
    const recordings = [await make()].flat();
    const ada = await server.publisher();
    // One waits from the beginning for something to be shown, the other comes when all of it is there.
    const early = seen.source.startsWith('^200') ? null : fetch(`${server.url}/live/${ada.key}.mp4`);
    for (const bytes of recordings) pieces(bytes, [40_000]).forEach((piece) => ada.send(piece));
    await ada.barrier();
    const warnings = ada.all('stream:warning');
    assert.deepEqual(warnings.map(({ streamKey, code }) => [streamKey, code]), words ? [[ada.key, 'unreadable']] : []);
    if (words) assert.match(warnings[0].message, words);
    const began = Date.now();
    const door = what.includes('WebM') && !words ? 'webm' : 'mp4';
    const late = await fetch(`${server.url}/live/${ada.key}.${door}`);
    const told = async (answer) => `${answer.status} ${answer.ok ? '' : await answer.text()}`.trim();
    assert.match(await told(late), seen);
    // Not after the time that somebody waits for a first frame.
    assert.ok(Date.now() - began < 5_000, `${Date.now() - began} ms`);
    if (early) assert.match(await told(await early), seen);
    if (late.ok) await late.body.cancel();
  });
}

for (const [what, make] of [
  ['text', () => 'hello, viewers'],
  ['a number', () => 5],
  ['random bytes', () => rubbish(5_000)],
  ['base64 that is none', () => 'data:image/jpeg;base64,%%%%'],
  ['WebM from its middle', async () => (await recording('WebM VP8')).subarray(9_000, 29_000)],
]) {
  test(`over Socket.IO the publisher of ${what} is told at once, and once`, async () => {
    const ada = await server.publisher();
    const data = await make();
    for (let round = 0; round < 3; round++) ada.send(data);
    await ada.barrier();
    const warnings = ada.all('stream:warning').map(({ code, message }) => `${code}: ${message}`);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^unreadable: Lo que llega no empieza como WebM.* Remedio: enviar todos los trozos/);
  });
}

test('over HTTP the publisher of a form, or of a body that breaks off, is told how a body is sent', async () => {
  const form = new FormData();
  form.set('file', new Blob([await recording('WebM VP8')]));
  const answer = await fetch(`${server.url}/live/form`, { method: 'POST', body: form });
  assert.equal(answer.status, 415);
  assert.match(await answer.text(), /^a form, as curl -F sends it, is no stream: .* curl -T FILE or --data-binary @FILE does/);

  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  const head = 'PUT /live/broken-chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';
  socket.write(`${head}4\r\n\x1a\x45\xdf\xa3\r\nthis is no length\r\n`, 'latin1');
  let said = '';
  for await (const part of socket) said += part;
  assert.match(said, /422/);
  assert.match(said, /after 0 frames and 4 bytes the body broke off before its end \(.+\): .* curl -T FILE or --data-binary @FILE does/);
});

for (const [form, send] of [
  ['binary', (ada, bytes) => ada.send(bytes)],
  ['a data URL', (ada, bytes) => ada.send(`data:image/jpeg;base64,${bytes.toString('base64')}`)],
]) {
  test(`over Socket.IO the publisher is told of a broken JPEG as ${form}, once`, async () => {
    const [first, second] = pictures(await recording('JPEG'));
    const ada = await server.publisher();
    const heard = async () => {
      await ada.barrier();
      return ada.all('stream:warning').map(({ code, message }) => `${code}: ${message}`);
    };
    send(ada, first);
    assert.deepEqual(await heard(), []);
    for (let round = 0; round < 3; round++) send(ada, second.subarray(0, 2_000));
    const warnings = await heard();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^unreadable: Una imagen JPEG está dañada.* \(it is cut off after 2000 bytes\);/);
  });
}

test('over Socket.IO the publisher is told where a JPEG is damaged within its scan', async () => {
  const [picture] = pictures(await recording('JPEG'));
  const ada = await server.publisher();
  const damaged = Buffer.from(picture);
  const at = Math.floor(picture.length / 2);
  damaged.set([0xff, 0x17], at);
  ada.send(picture);
  ada.send(damaged);
  await ada.barrier();
  const [warning, ...others] = ada.all('stream:warning').map(({ message }) => message);
  assert.match(warning, new RegExp(`marker ff17 at byte ${at} has no place there`));
  assert.deepEqual(others, []);
});
