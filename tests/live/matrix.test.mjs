// Every kind of publisher at every door, and every kind of viewer of each: it plays, or is refused with the right words.
// The table is in docs/formats.md.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, settled } from '../streamhub/node.mjs';
import { h264, ivf, judged, Native, vp8 } from './native.mjs';
import { decoded, framesFrom, Get, live, pictures, pieces, plays, probe, Put, RECIPES, recording, tidy } from './peers.mjs';

const run = promisify(execFile);

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server.stop();
  await tidy();
});

/** Where each kind can be had; anywhere else it is refused with the name of its codec. */
const TABLE = {
  'WebM VP8': { doors: ['webm'], codec: 'VP8' },
  'WebM VP9': { doors: ['webm', 'mp4'], codec: 'VP9' },
  'WebM AV1': { doors: ['webm', 'mp4'], codec: 'AV1' },
  'Matroska H.264': { doors: ['mp4'], codec: 'H.264' },
  'fMP4 H.264': { doors: ['mp4'], codec: 'H.264' },
  'fMP4 HEVC': { doors: ['mp4'], codec: 'HEVC' },
  'Matroska HEVC': { doors: ['mp4'], codec: 'HEVC' },
  JPEG: { doors: ['mjpeg', 'jpg'], codec: 'JPEG' },
  'WebCodecs VP8': { doors: ['webm'], codec: 'VP8' },
  'WebCodecs H.264': { doors: ['mp4'], codec: 'H.264' },
};

/** What the native door calls the codec of each. */
const NATIVE = { VP8: /^vp8$/, VP9: /^vp09\./, AV1: /^av01\./, 'H.264': /^avc1\./, HEVC: /^(hvc1|hev1)\./, JPEG: /^jpeg$/ };

/** What an encoder in a page gives, frame by frame. */
const ENCODED = {
  'WebCodecs VP8': { codec: 'vp8', frames: async () => (await vp8(90)).map((frame, n) => ({ ...frame, timestamp: BigInt(n) })) },
  'WebCodecs H.264': { codec: 'avc1.42E01F', frames: () => h264(90) },
  JPEG: {
    codec: 'jpeg',
    frames: async () => pictures(await recording('JPEG')).map((payload) => ({ payload, keyframe: true })),
  },
};

const encoded = new Map();

/** The frames of a kind: once made they stay the same, which an encoder in a hurry does not. */
function framesOf(kind) {
  if (!encoded.has(kind)) encoded.set(kind, ENCODED[kind].frames());
  return encoded.get(kind);
}

/** What each picture of a kind looks like before it is published. */
async function original(kind) {
  if (!ENCODED[kind]) return decoded(await recording(kind));
  const frames = await framesOf(kind);
  if (frames[0].timestamp !== undefined) return decoded(ivf(frames), 'ivf');
  return decoded(Buffer.concat(frames.map(({ payload }) => payload)), 'h264');
}

/** Publishes one half, lets viewers come, and publishes the other half and the end. */
const DOORS = {
  async PUT(kind, key, come) {
    const bytes = await recording(kind);
    const request = new Put(server, key);
    // JPEG is cut between pictures, so that one is whole when viewers come.
    const half = Math.floor(bytes.length / 2);
    for (const piece of pieces(bytes.subarray(0, half))) await request.write(piece);
    await live(server, key);
    const viewers = await come(key);
    await paced(viewers, bytes, half, (piece) => request.write(piece));
    const answer = await request.end();
    assert.equal(answer.status, 200, answer.text);
    return { viewers, bytes };
  },
  async 'Socket.IO'(kind, _, come) {
    const bytes = await recording(kind);
    const ada = await server.publisher();
    const cut = kind === 'JPEG' ? pictures(bytes) : pieces(bytes);
    const half = Math.floor(cut.length / 2);
    cut.slice(0, half).forEach((piece) => ada.send(piece));
    await ada.barrier();
    const viewers = await come(ada.key);
    for (let at = half; at < cut.length; at += 3) {
      await caughtUp(viewers, Buffer.concat(cut.slice(0, at)));
      cut.slice(at, at + 3).forEach((piece) => ada.send(piece));
      await ada.barrier();
    }
    ada.emit('stream:end', { streamKey: ada.key });
    await ada.next('stream:ended');
    return { viewers, bytes };
  },
  async 'the native door'(kind, key, come) {
    const frames = await framesOf(kind);
    const publisher = await Native.publish(server, key);
    const track = { track: 0, kind: 'video', codec: ENCODED[kind].codec, width: 160, height: 120 };
    publisher.say({ type: 'tracks', tracks: [track] });
    const half = Math.floor(frames.length / 2);
    publisher.send(frames.slice(0, half));
    await live(server, key);
    const viewers = await come(key);
    for (let at = half; at < frames.length; at += 5) {
      await caughtUp(viewers, Buffer.concat(frames.slice(0, at).map(({ payload }) => payload)));
      publisher.send(frames.slice(at, at + 5), at * 33_333);
    }
    publisher.say({ type: 'end' });
    await publisher.ended();
    return { viewers, count: frames.length };
  },
};

/** Waits until the players over HTTP have what was sent: who is two groups behind is moved on, as it should be. */
async function caughtUp(viewers, sent) {
  for (const viewer of [viewers.webm, viewers.mp4]) if (viewer.status === 200) await viewer.caughtUp(sent, 400);
}

async function paced(viewers, bytes, from, write) {
  for (const piece of pieces(bytes.subarray(from), [4_000])) {
    await caughtUp(viewers, bytes.subarray(0, from));
    await write(piece);
    from += piece.length;
  }
}

async function come(key) {
  const viewers = { bob: await server.viewer(key, 'bob'), native: await Native.watch(server, key) };
  await viewers.native.heard('tracks');
  await viewers.native.got(1);
  for (const ending of ['webm', 'mp4', 'mjpeg', 'jpg']) {
    viewers[ending] = await Get.open(server, `/live/${key}.${ending}`);
    if (viewers[ending].status === 200) await viewers[ending].received();
  }
  return viewers;
}

for (const [door, publish] of Object.entries(DOORS)) {
  for (const kind of Object.keys(door === 'the native door' ? ENCODED : RECIPES)) {
    test(`${kind} published over ${door} plays where it can and is refused elsewhere`, async (t) => {
      const key = `${door}-${kind}`.replace(/[^A-Za-z0-9]/g, '-');
      const { viewers, bytes, count } = await publish(kind, key, come);
      const source = kind === 'JPEG' ? undefined : bytes;
      const { doors, codec } = TABLE[kind];

      await t.test('.webm', () => video('webm', 'video/webm'));
      await t.test('.mp4', () => video('mp4', 'video/mp4'));
      async function video(ending, type) {
        const viewer = viewers[ending];
        if (!doors.includes(ending)) return refused(viewer, `this stream is ${codec}`);
        assert.equal(viewer.status, 200, await viewer.text());
        assert.equal(viewer.type, type);
        const played = await plays(await viewer.ended, source);
        if (count) return assert.equal(played.frames, count - Math.round(played.from * 30), 'no picture is missing');
        assert.ok(played.sounds > 20, `${played.sounds} pieces of sound`);
      }

      await t.test('native', async () => {
        const { native } = viewers;
        await native.ended();
        const { tracks } = await native.heard('tracks');
        assert.match(tracks[0].codec, NATIVE[codec]);
        const shown = native.frames.filter((frame) => frame.track === tracks[0].track);
        const from = Number(shown[0].timestamp) / 1e6;
        assert.ok(shown[0].keyframe, 'the first picture is a keyframe');
        const first = native.frames[0].sequence;
        assert.deepEqual(native.frames.map((frame) => frame.sequence), native.frames.map((_, n) => first + n));
        if (kind === 'JPEG') {
          // They go as they are, and the newest is all that who comes late is shown of what was before.
          const published = pictures(await recording('JPEG'));
          assert.ok(shown.length >= published.length - Math.floor(published.length / 2), `only ${shown.length} pictures`);
          assert.ok(Buffer.concat(shown.map(({ payload }) => payload)).equals(Buffer.concat(published.slice(-shown.length))));
        } else assert.equal(shown.length, count ? count - Math.round(from * 30) : await framesFrom(source, from));
        const file = judged(tracks[0], shown);
        const played = await plays(file.bytes, undefined, file.format);
        assert.equal(played.frames, shown.length, 'every picture that came is decoded');
        if (kind !== 'JPEG') {
          const same = (await original(kind)).slice(-shown.length);
          assert.deepEqual(await decoded(file.bytes, file.format), same, 'each looks as it was published');
        }
        if (source) assert.ok(native.frames.length - shown.length > 20, 'with sound');
        assert.deepEqual(native.texts.filter((text) => text.type === 'skipped'), []);
      });

      await t.test('.mjpeg', async () => {
        if (!doors.includes('mjpeg')) return refused(viewers.mjpeg, `this stream is ${codec}`);
        assert.match(viewers.mjpeg.type, /^multipart\/x-mixed-replace; boundary=/);
        await plays(await viewers.mjpeg.ended, undefined, 'mpjpeg');
      });

      await t.test('.jpg', async () => {
        if (!doors.includes('jpg')) return refused(viewers.jpg, 'not one of pictures');
        assert.equal(viewers.jpg.type, 'image/jpeg');
        const played = await probe(await viewers.jpg.ended, 'jpeg_pipe');
        assert.deepEqual([played.complaints, played.frames], ['', 1]);
      });

      await t.test('Socket.IO', async () => {
        const { bob } = viewers;
        await bob.next('stream:ended');
        await settled(bob);
        const frames = [...bob.all('stream:buffer').flatMap(({ frames }) => frames), ...bob.all('stream:data')];
        assert.ok(bob.all('stream:buffer').length > 0, 'who comes late is shown what there is');
        if (kind !== 'JPEG') return plays(Buffer.concat(frames.map((frame) => frame.data)), source);
        assert.ok(frames.length >= 40, `${frames.length} pictures`);
        for (const frame of [frames.at(0), frames.at(-1)]) {
          const played = await probe(frame.data, 'jpeg_pipe');
          assert.deepEqual([played.complaints, played.frames], ['', 1]);
        }
      });
    });
  }
}

/** What is passed on over Socket.IO and has no frames: how it is made, and what is said of it. */
const OPAQUE = {
  'PNG pictures': {
    make: () => still('png'),
    words: 'this stream is PNG pictures, which can be had over Socket.IO and as .jpg only',
    image: 'image/png',
  },
  'WebP pictures': {
    make: () => still('libwebp'),
    words: 'this stream is WebP pictures, which can be had over Socket.IO and as .jpg only',
    image: 'image/webp',
  },
  'anything else': {
    make: async () => Buffer.from('nothing that anybody here knows'),
    words: 'this stream is nothing that this server knows; it can be had over Socket.IO only',
  },
};

for (const [kind, { make, words, image }] of Object.entries(OPAQUE)) {
  test(`${kind} published over Socket.IO are passed on as they came and refused elsewhere`, async () => {
    const data = await make();
    const ada = await server.publisher();
    ada.send(data);
    await ada.barrier();
    const bob = await server.viewer(ada.key, 'bob');
    const native = await Native.watch(server, ada.key);
    for (const ending of ['webm', 'mp4', 'mjpeg']) await refused(await Get.open(server, `/live/${ada.key}.${ending}`), words);
    const jpg = await Get.open(server, `/live/${ada.key}.jpg`);
    if (image) {
      assert.deepEqual([jpg.status, jpg.type], [200, image]);
      assert.deepEqual(await jpg.ended, data);
    } else await refused(jpg, 'not one of pictures');
    ada.send(data);
    await ada.barrier();
    ada.emit('stream:end', { streamKey: ada.key });
    await bob.next('stream:ended');
    await native.ended();
    assert.deepEqual(bob.all('stream:buffer').map(({ frames }) => frames[0].data), [data]);
    assert.deepEqual(bob.all('stream:data').map((frame) => frame.data), [data]);
    assert.deepEqual(native.frames, []);
  });
}

test('the .jpg of a stream that is not one of pictures is its poster, if it has one', async () => {
  const ada = await server.publisher();
  for (const piece of pieces(await recording('WebM VP8'), [40_000])) ada.send(piece);
  await ada.barrier();
  await refused(await Get.open(server, `/live/${ada.key}.jpg`), 'not one of pictures');
  const [poster] = pictures(await recording('JPEG'));
  ada.emit('stream:poster', { streamKey: ada.key, data: poster });
  await ada.barrier();
  const jpg = await Get.open(server, `/live/${ada.key}.jpg`);
  assert.deepEqual([jpg.status, jpg.type], [200, 'image/jpeg']);
  assert.deepEqual(await jpg.ended, poster);
  ada.emit('stream:end', { streamKey: ada.key });
  await ada.next('stream:ended');
});

test('the table in docs/formats.md has these rows, and says of each cell what is tested here', async () => {
  const docs = await readFile(new URL('../../docs/formats.md', import.meta.url), 'utf8');
  const [head, , ...rows] = docs
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  assert.deepEqual(head, ['published as', 'Socket.IO', 'native', '`.webm`', '`.mp4`', '`.mjpeg`', '`.jpg`']);
  const names = rows.map(([name]) => name.replace(/ \+ \w+$/, '').replace(/^JPEG pictures, .*/, 'JPEG'));
  assert.deepEqual(names.toSorted(), [...Object.keys(TABLE), 'PNG or WebP pictures', 'anything else over Socket.IO'].toSorted());
  for (const [n, [, , native, ...cells]] of rows.entries()) {
    const { doors, codec } = TABLE[names[n]] ?? { doors: names[n].startsWith('PNG') ? ['jpg'] : [] };
    assert.equal(native, codec ? 'plays' : 'nothing');
    for (const [at, ending] of ['webm', 'mp4', 'mjpeg', 'jpg'].entries()) {
      const cell = cells[at];
      if (doors.includes(ending)) assert.equal(cell, 'plays', `${names[n]} as .${ending}`);
      else assert.match(cell, ending === 'jpg' && codec ? /^406, or the poster$/ : /^406(: |$)/, `${names[n]} as .${ending}`);
      const named = /^406: (.*)$/.exec(cell)?.[1];
      if (named) assert.equal(named, codec);
    }
  }
});

/** One picture of the kind that an encoder of ffmpeg makes. */
async function still(encoder) {
  const args = ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=64x64', '-frames:v', '1', '-c:v', encoder, '-f', 'image2pipe', 'pipe:1'];
  return (await run('ffmpeg', args, { encoding: 'buffer' })).stdout;
}

async function refused(viewer, words) {
  assert.equal(viewer.status, 406);
  assert.match(viewer.type, /^text\/plain/);
  const text = await viewer.text();
  assert.ok(text.includes(words), text);
}
