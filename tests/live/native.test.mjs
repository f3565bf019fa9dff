// The native door: encoded frames over a WebSocket, from ffmpeg's encoders to ffmpeg's decoders.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../streamhub/node.mjs';
import { h264, ivf, Native, vp8 } from './native.mjs';
import { Get, pieces, plays, probe, Put, recording, tidy } from './peers.mjs';

const VIDEO = { track: 0, kind: 'video', codec: 'vp8', width: 160, height: 120 };
const SOUND = { track: 1, kind: 'audio', codec: 'opus', sampleRate: 48_000, channels: 2 };
const VP8 = { type: 'tracks', tracks: [VIDEO] };
const H264 = { type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'avc1.42E01F', width: 160, height: 120 }] };

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server.stop();
  await tidy();
});

/** Publishes to a key of its own, until the test is over. */
async function publisher(t, key, tracks = VP8) {
  const one = await Native.publish(server, key);
  t.after(() => one.close());
  const ready = await one.heard('ready');
  if (tracks) one.say(tracks);
  return Object.assign(one, { token: ready.token, epoch: ready.epoch });
}

async function viewer(t, key, more) {
  const one = await Native.watch(server, key, more);
  t.after(() => one.close());
  // Its place in the stream is taken when the server answers what was asked after it.
  one.say({ type: 'clock', id: 'joined' });
  await one.heard('clock');
  return one;
}

test('every frame arrives as it was sent, with its time and when it was captured', async (t) => {
  const frames = await vp8(30);
  const from = await publisher(t, 'native-plain');
  const to = await viewer(t, 'native-plain');
  const welcome = await to.heard('welcome');
  assert.equal(welcome.streamKey, 'native-plain');
  assert.equal(welcome.publisherPresent, true);
  assert.ok(Math.abs(welcome.now / 1000 - Date.now()) < 5_000, 'the time is in microseconds since 1970');
  frames.forEach((frame, n) => from.frame(frame, n * 33_333, { captured: BigInt(1_000 + n) }));
  await to.got(30);
  assert.deepEqual(to.frames.map((frame) => frame.payload), frames.map((frame) => frame.payload));
  assert.deepEqual(to.frames.map((frame) => frame.sequence), frames.map((_, n) => n));
  assert.deepEqual(to.frames.map((frame) => Number(frame.captured)), frames.map((_, n) => 1_000 + n));
  assert.deepEqual(to.frames.map((frame) => frame.keyframe), frames.map((frame) => frame.keyframe));
  assert.equal((await to.heard('tracks')).tracks[0].codec, 'vp8');
});

test('who joins late begins at the newest keyframe and can decode all from there', async (t) => {
  const frames = await vp8(60);
  const from = await publisher(t, 'native-late');
  from.send(frames.slice(0, 45));
  const early = await viewer(t, 'native-late');
  await early.until(() => early.frames.at(-1)?.sequence === 44, 'the early one has it');
  const late = await viewer(t, 'native-late');
  await late.got(5);
  assert.equal(late.frames[0].sequence, 40);
  for (let n = 45; n < 60; n++) {
    from.frame(frames[n], n * 33_333);
    await late.got(n - 39);
  }
  const seen = await probe(ivf(late.frames), 'ivf');
  assert.equal(seen.complaints, '');
  assert.equal(seen.frames, 20);
});

test('H.264 in Annex B becomes what WebCodecs, .mp4 and ffmpeg take', async (t) => {
  const frames = await h264(60);
  const from = await publisher(t, 'native-h264', H264);
  const to = await viewer(t, 'native-h264');
  from.send(frames.slice(0, 30));
  const { tracks } = await to.heard('tracks');
  assert.match(tracks[0].codec, /^avc1\.42/);
  assert.equal(Buffer.from(tracks[0].description, 'base64')[0], 1, 'an avcC');
  await to.got(30);
  for (const { payload } of to.frames) {
    let at = 0;
    while (at < payload.length) at += 4 + payload.readUInt32BE(at);
    assert.equal(at, payload.length, 'each unit has its length before it');
  }
  const get = await Get.open(server, '/live/native-h264.mp4');
  assert.equal(get.status, 200);
  // No quicker than it reads: who is two groups behind is moved on.
  for (let at = 30; at < 60; at += 5) {
    await get.caughtUp(Buffer.concat(frames.slice(0, at).map(({ payload }) => payload)), 400);
    from.send(frames.slice(at, at + 5), at * 33_333);
  }
  from.say({ type: 'end' });
  await plays(await get.ended);
});

test('a viewer that comes back gets the rest, and one that comes back too late is told what it missed', async (t) => {
  const frames = await vp8(60);
  const from = await publisher(t, 'native-resume');
  // Five frames a second, every tenth a keyframe.
  frames.slice(0, 35).forEach((frame, n) => from.frame(frame, n * 200_000));
  const first = await viewer(t, 'native-resume');
  const { epoch } = await first.heard('welcome');
  await first.until(() => first.frames.at(-1)?.sequence === 34, 'it has all');
  first.close();
  const back = await viewer(t, 'native-resume', { resume: { epoch, sequence: 32 } });
  await back.got(2);
  assert.deepEqual(back.frames.map((frame) => frame.sequence), [33, 34]);
  const earlier = await viewer(t, 'native-resume', { resume: { epoch, sequence: 20 } });
  await earlier.got(14);
  assert.deepEqual(earlier.frames.map((frame) => frame.sequence), Array.from({ length: 14 }, (_, n) => 21 + n));
  assert.deepEqual(earlier.texts.filter((one) => one.type === 'skipped'), []);
  const late = await viewer(t, 'native-resume', { resume: { epoch, sequence: 3 } });
  await late.got(5);
  assert.equal(late.frames[0].sequence, 30);
  assert.deepEqual(await late.heard('skipped'), { type: 'skipped', frames: 26, receiving: 'all' });
  const stranger = await viewer(t, 'native-resume', { resume: { epoch: 'another', sequence: 32 } });
  await stranger.got(5);
  assert.equal(stranger.frames[0].sequence, 30);
});

test('a publisher that comes back with its token goes on in the same count and on the same timeline', async (t) => {
  const frames = await vp8(30);
  const from = await publisher(t, 'native-return');
  const to = await viewer(t, 'native-return');
  from.send(frames.slice(0, 10), 5_000_000);
  await to.got(10);
  from.close();
  assert.equal((await to.until(() => to.texts.find((one) => one.type === 'publisher' && !one.present))).graceMs > 0, true);
  const back = await Native.publish(server, 'native-return', { token: from.token });
  t.after(() => back.close());
  assert.equal((await back.heard('ready')).epoch, from.epoch);
  await to.until(() => to.texts.find((one) => one.type === 'publisher' && one.present), 'it hears of the return');
  back.say(VP8);
  back.send(frames.slice(10, 20), 0);
  await to.got(20);
  assert.deepEqual(to.frames.map((frame) => frame.sequence), to.frames.map((_, n) => n));
  const times = to.frames.map((frame) => frame.timestamp);
  assert.ok(times.every((time, n) => n === 0 || time > times[n - 1]), 'time never goes back');
});

test('a newer connection with the token takes over, and the older one is told', async (t) => {
  const from = await publisher(t, 'native-takeover');
  const other = await Native.publish(server, 'native-takeover', { token: from.token });
  t.after(() => other.close());
  await other.heard('ready');
  from.say({ type: 'clock', id: 1 });
  assert.equal((await from.heard('error')).code, 'replaced');
  assert.equal((await from.ended()).code, 4409);
});

test('a joiner and a viewer that lost its way make the publisher asked for a keyframe, at most twice a second', async (t) => {
  const frames = await vp8(10);
  const from = await publisher(t, 'native-keyframe');
  from.send(frames);
  const to = await viewer(t, 'native-keyframe');
  await to.got(1);
  await from.heard('keyframe');
  const begun = Date.now();
  for (let n = 0; n < 50; n++) to.say({ type: 'keyframe' });
  to.say({ type: 'clock', id: 'done' });
  await to.until(() => to.texts.find((one) => one.id === 'done'), 'all was read');
  const asked = from.texts.filter((one) => one.type === 'keyframe').length;
  assert.ok(asked <= 2 + (Date.now() - begun) / 500, `asked ${asked} times`);
});

test('a viewer that is held gets no media, and at its return the newest group or what it lacks', async (t) => {
  const frames = await vp8(40);
  const from = await publisher(t, 'native-hold');
  const [to, other] = [await viewer(t, 'native-hold'), await viewer(t, 'native-hold')];
  from.send(frames.slice(0, 5));
  await Promise.all([to.got(5), other.got(5)]);
  to.say({ type: 'hold' });
  to.say({ type: 'clock', id: 'held' });
  await to.until(() => to.texts.find((one) => one.id === 'held'), 'it is held');
  from.send(frames.slice(5, 35), 5 * 33_333);
  await other.got(35);
  assert.equal(to.frames.length, 5);
  to.say({ type: 'resume' });
  await to.got(10);
  assert.deepEqual(to.frames.slice(5).map((frame) => frame.sequence), [30, 31, 32, 33, 34]);
  to.say({ type: 'hold' });
  to.say({ type: 'clock', id: 'held again' });
  await to.until(() => to.texts.find((one) => one.id === 'held again'), 'it is held');
  from.send(frames.slice(35), 35 * 33_333);
  await other.got(40);
  to.say({ type: 'resume', sequence: 34 });
  await to.got(15);
  assert.deepEqual(to.frames.slice(10).map((frame) => frame.sequence), [35, 36, 37, 38, 39]);
});

test('a publisher whose keyframes are far apart is told so once', async (t) => {
  const frames = await vp8(10);
  const from = await publisher(t, 'native-far');
  const told = () => from.texts.filter((one) => one.code === 'keyframes-far-apart');
  // Half a second a frame, a keyframe first: with the tenth 4.5 s are over.
  frames.slice(0, 9).forEach((frame, n) => from.frame(frame, n * 500_000));
  from.say({ type: 'clock', id: 1 });
  await from.until(() => from.texts.find((one) => one.id === 1));
  assert.deepEqual(told(), []);
  frames.slice(1).forEach((frame, n) => from.frame(frame, (n + 9) * 500_000));
  from.say({ type: 'clock', id: 2 });
  await from.until(() => from.texts.find((one) => one.id === 2));
  assert.deepEqual(told().map((one) => one.type), ['warning']);
  assert.match(told()[0].message, /no keyframe has come for 4\.5 s/);
});

test('who has its media elsewhere is told of everything and not counted', async (t) => {
  const from = await publisher(t, 'native-observer');
  const observer = await viewer(t, 'native-observer', { media: false });
  await observer.heard('welcome');
  from.send(await vp8(5));
  assert.equal((await observer.heard('tracks')).tracks[0].codec, 'vp8');
  const counted = await viewer(t, 'native-observer');
  await counted.got(5);
  assert.equal((await observer.heard('viewers')).count, 1);
  assert.equal(observer.frames.length, 0);
  from.say({ type: 'end' });
  assert.equal((await observer.ended()).code, 1000);
});

test('who only observes a recording over Socket.IO is told its tracks', async (t) => {
  const ada = await server.publisher();
  for (const piece of pieces(await recording('WebM VP8'))) ada.emit('stream:data:send', { streamKey: ada.key, data: piece });
  const observer = await viewer(t, ada.key, { media: false });
  assert.equal((await observer.heard('tracks')).tracks[0].codec, 'vp8');
});

for (const [kind, mark, after] of [['WebM VP8', [0x1f, 0x43, 0xb6, 0x75], 0], ['fMP4 H.264', [0x6d, 0x6f, 0x6f, 0x66], -4]]) {
  test(`who comes between the init segment of ${kind} and its first frame waits, and is given all`, async (t) => {
    const bytes = await recording(kind);
    const key = `between-${kind.slice(0, 4).trim()}`;
    const at = bytes.indexOf(Buffer.from(mark)) + after;
    const request = new Put(server, key);
    await request.write(bytes.subarray(0, at));
    await server.until(async () => (await fetch(`${server.url}/live/${key}.jpg`)).status !== 404);
    const to = await viewer(t, key);
    for (const piece of pieces(bytes.subarray(at))) await request.write(piece);
    assert.equal((await request.end()).status, 200);
    assert.equal((await to.ended()).code, 1000);
    const shown = to.frames.filter((frame) => frame.track === 0);
    assert.deepEqual([to.frames[0].sequence, shown[0].keyframe, shown.length], [0, true, 90]);
  });
}

test('pause, counts and the end are told, the end after the last frame', async (t) => {
  const frames = await vp8(10);
  const from = await publisher(t, 'native-told');
  const to = await viewer(t, 'native-told');
  await to.heard('welcome');
  await from.until(() => from.texts.find((one) => one.type === 'viewers' && one.count === 1), 'it hears of its viewer');
  from.say({ type: 'pause', paused: true });
  assert.equal((await to.heard('paused')).paused, true);
  from.send(frames);
  from.say({ type: 'end' });
  assert.equal((await to.ended()).code, 1000);
  assert.equal(to.frames.length, 10);
  assert.equal(to.texts.at(-1).type, 'ended');
  assert.equal((await from.ended()).code, 1000);
  const after = await Native.watch(server, 'native-told');
  assert.equal((await after.ended()).code, 4410);
});

for (const [what, protocol, first, code, said] of [
  ['a stream that does not exist', 'abanico.watch.v1', { type: 'watch' }, 4404, /no such stream/],
  ['a first word that is none', 'abanico.watch.v1', { type: 'hello' }, 4400, /first message/],
  ['a wrong token', 'abanico.publish.v1', { type: 'publish', token: 'wrong' }, 4401, /token/],
  ['no token', 'abanico.publish.v1', { type: 'publish' }, 4401, /token/],
]) {
  test(`${what} is refused with the right words`, async (t) => {
    const key = `native-refused-${what.replaceAll(' ', '-')}`;
    if (code === 4401) await publisher(t, key, null);
    const one = await Native.open(server, key, protocol, first);
    assert.equal((await one.ended()).code, code);
    assert.match(one.texts.at(-1).message, said);
  });
}

for (const [what, send, said] of [
  ['a text that is no JSON', (one) => one.socket.send('{'), /cannot be read/],
  ['a frame without a header', (one) => one.socket.send(Buffer.from([1, 0, 0])), /28 bytes/],
  ['a frame of no track', (one) => one.frame({ payload: Buffer.alloc(9), keyframe: true }, 0, { track: 7 }), /track 7/],
  ['tracks without a codec', (one) => one.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video' }] }), /codec/],
  ['two tracks of one number', (one) => one.say({ type: 'tracks', tracks: [VIDEO, VIDEO] }), /two tracks have the number 0/],
  ['sound of 0 Hz', (one) => one.say({ type: 'tracks', tracks: [VIDEO, { ...SOUND, sampleRate: 0 }] }), /sampleRate of 0/],
  ['sound of 999 channels', (one) => one.say({ type: 'tracks', tracks: [VIDEO, { ...SOUND, channels: 999 }] }), /999 channels, and sound has 1 to 8/],
  ['sound of six channels without a description', (one) => one.say({ type: 'tracks', tracks: [VIDEO, { ...SOUND, channels: 6 }] }), /more than two need a description/],
  ['a codec that nobody knows', (one) => one.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'mpeg2' }] }), /mpeg2/],
]) {
  test(`${what} ends the publisher's connection with a word of what was wrong, and costs its viewers nothing`, async (t) => {
    const key = `native-hostile-${what.replaceAll(' ', '-')}`;
    const frames = await vp8(10);
    const from = await publisher(t, key);
    const to = await viewer(t, key);
    from.send(frames);
    await to.got(10);
    send(from);
    assert.equal((await from.ended()).code, 4400);
    assert.match(from.texts.at(-1).message, said);
    to.say({ type: 'clock', id: 'still here' });
    await to.until(() => to.texts.find((one) => one.id === 'still here'), 'it is still there');
  });
}

test('frames that would spoil the stream for whoever plays it are left out, and the publisher is told', async (t) => {
  const frames = await vp8(60);
  const from = await publisher(t, 'native-spoilt', { type: 'tracks', tracks: [VIDEO, SOUND] });
  const garbage = { payload: Buffer.from('ffffffff010203', 'hex'), keyframe: true };
  const to = await viewer(t, 'native-spoilt');
  frames.forEach((frame, n) => {
    const isLeap = n === 5;
    from.frame(frame, isLeap ? 2n ** 63n - 1n : n * 33_333);
    from.frame(garbage, n * 33_333, { track: 1 });
  });
  // From the leap on the pictures wait for the next keyframe.
  await to.got(5 + 50);
  from.say({ type: 'end' });
  await Promise.all([to.ended(), from.ended()]);
  assert.ok(to.frames.every(({ track, timestamp }) => track === 0 && timestamp < 2_000_000n));
  const warnings = from.texts.filter(({ type }) => type === 'warning');
  assert.deepEqual(warnings.map(({ code }) => code), ['left-out']);
  assert.match(warnings[0].message, /broken Opus frame: it lasts 0 or more than 120 ms/);
});

test('a message that is larger than the door takes is refused from its header', async (t) => {
  const from = await publisher(t, 'native-large');
  from.socket.send(Buffer.alloc(9 << 20));
  assert.equal((await from.ended()).code, 1009);
});

test('without a subprotocol that the door knows there is no WebSocket', async () => {
  await assert.rejects(Native.open(server, 'native-proto', null), /400/);
  await assert.rejects(Native.open(server, 'native-proto', 'abanico.watch.v9'), /400/);
});
