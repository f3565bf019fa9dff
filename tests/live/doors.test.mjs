// The plain HTTP doors: who may publish, what is said to whom, and that what a publisher breaks costs viewers nothing.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Server } from '../streamhub/node.mjs';
import { Native } from './native.mjs';
import { Get, live, pictures, pieces, plays, probe, Put, put, recording, tidy } from './peers.mjs';

const run = promisify(execFile);

let server;
before(async () => {
  server = await Server.start({ args: ['--publisher-grace', '2s'] });
});
after(async () => {
  await server.stop();
  await tidy();
});

/** A publisher whose stream is live, with the rest of its recording still to come: half of it, or what is behind so much. */
async function half(key, options, length) {
  const bytes = await recording('WebM VP8');
  const begun = bytes.subarray(0, length ?? Math.floor(bytes.length / 2));
  const request = new Put(server, key, options);
  for (const piece of pieces(begun)) await request.write(piece);
  await live(server, key);
  return { request, rest: pieces(bytes.subarray(begun.length)), bytes, begun };
}

async function finish({ request, rest, bytes, begun }, viewer) {
  if (viewer) await paced(bytes, begun.length, (piece) => request.write(piece), viewer);
  else for (const piece of rest) await request.write(piece);
  return request.end();
}

/**
 * Writes what follows `from` no faster than who watches has it: who is still in the group that it came to when two more
 * begin is moved on.
 */
async function paced(bytes, from, write, viewer, since) {
  for (const piece of pieces(bytes.subarray(from), [10_000])) {
    await viewer.caughtUp(bytes.subarray(0, from), undefined, since);
    await write(piece);
    from += piece.length;
  }
}

/** Bytes of a recording that end within its first group: a viewer that comes then is given all of it. */
const BEGINNING = 10_000;

const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const basic = (token) => ({ headers: { Authorization: `Basic ${Buffer.from(`source:${token}`).toString('base64')}` } });

test('a stream that exists is published to with its token only', async () => {
  const first = await half('seat', bearer('secret'));
  const viewer = await Get.open(server, '/live/seat.webm');
  await viewer.caughtUp(first.begun);
  for (const options of [{}, bearer('wrong'), basic('wrong'), { headers: { Authorization: 'Digest x' } }]) {
    const refused = await put(server, 'seat', Buffer.alloc(10), options);
    assert.equal(refused.status, 401, refused.text);
    assert.match(refused.headers['www-authenticate'], /Basic/);
  }
  const second = new Put(server, 'seat', basic('secret'));
  // It sends the same bytes again.
  await paced(first.bytes, 0, (piece) => second.write(piece), viewer, viewer.soFar().length);
  for (const piece of first.rest) await first.request.write(piece);
  first.request.request.end();
  const replaced = await first.request.answer;
  assert.equal(replaced.status, 409);
  assert.match(replaced.text, /taken this stream over/);
  assert.equal((await second.end()).status, 200);
  const played = await plays(await viewer.ended);
  assert.ok(played.frames > 90, 'one viewer sees what both published');
});

test('a body that is no media takes nobody\'s seat, whatever token it shows', async () => {
  const running = await half('kept', bearer('mine'), BEGINNING);
  const viewer = await Get.open(server, '/live/kept.webm');
  await viewer.received();
  const webm = await recording('WebM VP8');
  for (const [name, body, status, words] of [
    ['a text', Buffer.from('hello, I am a text and no stream'), 415, /neither WebM/],
    ['nothing', Buffer.alloc(0), 422, /no whole frame/],
    ['a header without frames', webm.subarray(0, 300), 422, /no whole frame/],
    ['broken boxes', Buffer.concat([Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isomiso2', 'latin1'), Buffer.alloc(64, 1)]), 422, /box/],
    ['parts without pictures', Buffer.from('--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n'), 422, /./],
  ]) {
    const answer = await put(server, 'kept', body, bearer('mine'));
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    assert.match(answer.text, words, name);
  }
  // One that sends a header and waits is no publisher yet either, and one that breaks off is none that was lost.
  const waiting = new Put(server, 'kept', bearer('mine'));
  await waiting.write(webm.subarray(0, 300));
  waiting.cut();
  const answer = await finish(running, viewer);
  const alone = await put(server, 'alone', running.bytes);
  assert.deepEqual([answer.status, answer.text], [200, alone.text]);
  await plays(await viewer.ended, running.bytes);
});

test('a body that shows the token and breaks for good leaves the seat to who comes back', async () => {
  const bytes = await recording('fMP4 H.264');
  const request = new Put(server, 'mended', bearer('mine'));
  const whole = bytes.subarray(0, bytes.indexOf('moof', bytes.length / 2) - 4);
  await request.write(whole);
  await live(server, 'mended');
  const viewer = await Get.open(server, '/live/mended.mp4');
  await viewer.caughtUp(whole);
  await request.write(Buffer.alloc(400_000, 1));
  assert.equal((await request.answer).status, 422);
  const again = new Put(server, 'mended', bearer('mine'));
  await paced(bytes, 0, (piece) => again.write(piece), viewer, viewer.soFar().length);
  const answer = await again.end();
  assert.equal(answer.status, 200, answer.text);
  const played = await plays(await viewer.ended);
  const alone = await probe(bytes);
  assert.ok(played.frames > alone.frames, `${played.frames} of both, ${alone.frames} of the second`);
});

test('a key that is none is refused, and so is one that ended and was not chosen', async () => {
  for (const key of ['a%20b', 'x'.repeat(65), '%C3%A1']) {
    assert.equal((await put(server, key, Buffer.alloc(1))).status, 400, key);
  }
  const ada = await server.publisher();
  ada.emit('stream:end', { streamKey: ada.key });
  await ada.next('stream:ended');
  assert.equal((await put(server, ada.key, Buffer.alloc(1))).status, 410);
  assert.equal((await Get.open(server, `/live/${ada.key}.webm`)).status, 410);
});

test('a key that somebody chose is opened again and again', async () => {
  for (let round = 0; round < 3; round++) {
    const answer = await put(server, 'again', await recording('WebM VP8'));
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^\d+ frames were published$/);
    assert.equal((await Get.open(server, '/live/again.webm')).status, 410);
  }
});

test('who stayed when a stream ended hears that its key was opened again', async () => {
  const first = await half('reopened');
  const bob = await server.viewer('reopened');
  await finish(first);
  await bob.next('stream:ended');
  // What never goes live is nothing to come back for.
  assert.equal((await put(server, 'reopened', Buffer.from('no stream at all'))).status, 415);
  assert.equal((await Get.open(server, '/live/reopened.webm')).status, 410);
  const second = await half('reopened');
  assert.deepEqual(await bob.next('stream:next'), { streamKey: 'reopened', next: 'reopened' });
  assert.equal((await bob.join('reopened')).stream.status, 'ACTIVE');
  await finish(second);
});

test('the publisher of a Socket.IO stream can go on over HTTP, with the token', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key, 'bob');
  const request = await half(ada.key, bearer(ada.publishToken));
  await bob.next('stream:data');
  await finish(request);
  await bob.next('stream:ended');
  // It all comes at once: who is still in the group that it came to when two more begin is moved on, and sees all from there.
  const played = await plays(Buffer.concat(bob.all('stream:data').map((frame) => frame.data)));
  assert.ok(played.frames > 45, `${played.frames} of 90`);
});

test('a publisher whose keyframes are far apart is told so when its body ends', async () => {
  const of = async (every) =>
    (
      await run(
        'ffmpeg',
        ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=64x64:rate=5', '-t', '10', '-c:v', 'libvpx', '-g', `${every}`, '-f', 'webm', 'pipe:1'],
        { encoding: 'buffer' },
      )
    ).stdout;
  const far = await put(server, 'far', await of(1_000));
  assert.equal(far.status, 200);
  assert.match(far.text, /^50 frames were published, but for 9\.8 s without a keyframe: .* -g /);
  const near = await put(server, 'near', await of(5));
  assert.equal(near.text, '50 frames were published');
});

test('JPEG pictures in a row are a stream of pictures, with what was cut off left out', async () => {
  const { stdout } = await run(
    'ffmpeg',
    ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30', '-t', '1', '-c:v', 'mjpeg', '-f', 'mjpeg', 'pipe:1'],
    { encoding: 'buffer', maxBuffer: 64 << 20 },
  );
  const middle = stdout.indexOf(Buffer.from([0xff, 0xd9, 0xff, 0xd8]), stdout.length / 2) + 2;
  const request = new Put(server, 'row', { headers: { 'Content-Type': 'image/jpeg' } });
  await request.write(stdout.subarray(0, middle));
  await live(server, 'row');
  const viewer = await Get.open(server, '/live/row.mjpeg');
  await paced(stdout, middle, (piece) => request.write(piece), viewer);
  // A picture that does not end.
  await request.write(stdout.subarray(0, 2_000));
  const answer = await request.end();
  assert.equal(answer.status, 200);
  assert.equal(answer.text, '30 frames were published; the body ends in the middle of a picture, and its last 2000 bytes were of no use');
  const body = await viewer.ended;
  assert.ok(pictures(body).length > 10);
  await plays(body, undefined, 'mpjpeg');
});

test('what is no stream is named', async () => {
  const file = (await run('ffmpeg', [
    '-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=64x64', '-t', '1', '-f', 'mp4', '-movflags', 'empty_moov',
    '-frag_duration', '900000000', 'pipe:1',
  ], { encoding: 'buffer' })).stdout;
  const whole = Buffer.from(file);
  const pipe = async (codec) =>
    (
      await run('ffmpeg', ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=64x64', '-t', '0.2', '-c:v', codec, '-f', 'image2pipe', 'pipe:1'], {
        encoding: 'buffer',
      })
    ).stdout;
  const wrong = [
    ['a text', Buffer.from('hello, I am a text and no stream'), 415, /neither WebM, Matroska, fragmented MP4 nor JPEG/],
    ['a GIF', Buffer.from('GIF89a....................'), 415, /neither WebM/],
    ['PNG', await pipe('png'), 415, /^the body is PNG, and pictures are streamed as JPEG: .* -f mjpeg/],
    ['WebP', await pipe('libwebp'), 415, /^the body is WebP, and pictures are streamed as JPEG/],
    ['nothing', Buffer.alloc(0), 422, /no whole frame/],
    ['the first bytes of a WebM', (await recording('WebM VP8')).subarray(0, 300), 422, /no whole frame/],
    ['parts without pictures', Buffer.from('--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n'), 422, /./],
    ['a box that is too large', Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isomiso2\x7f\0\0\0moov', 'latin1'), 422, /moov box of \d+ bytes/],
    ['broken boxes', Buffer.concat([whole.subarray(0, 36), Buffer.alloc(64, 1)]), 422, /box/],
  ];
  for (const [name, body, status, words] of wrong) {
    const answer = await put(server, 'wrong', body);
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    assert.match(answer.text, words, name);
    assert.match(answer.headers['content-type'], /^text\/plain/);
  }
  assert.equal((await server.json('/health')).activeStreams, 0);
});

test('garbage in the middle costs viewers what it hits and nothing else', async () => {
  const bytes = await recording('WebM VP8');
  const at = Math.floor(bytes.length * 0.6);
  const broken = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(5000, 0x5a), bytes.subarray(at + 700)]);
  const request = new Put(server, 'garbage');
  await request.write(broken.subarray(0, at - 9000));
  await live(server, 'garbage');
  const viewer = await Get.open(server, '/live/garbage.webm');
  await viewer.received();
  await paced(broken, at - 9000, (piece) => request.write(piece), viewer);
  assert.equal((await request.end()).status, 200);
  const played = await plays(await viewer.ended);
  assert.ok(played.frames > 30, `${played.frames}`);
});

test('a body that breaks for good is answered with what is wrong, and viewers can play what came before', async () => {
  const bytes = await recording('fMP4 H.264');
  const request = new Put(server, 'breaks');
  // Broken between two fragments: what is inside of a frame nobody here can judge.
  await request.write(bytes.subarray(0, bytes.indexOf('moof', bytes.length / 2) - 4));
  await live(server, 'breaks');
  const viewer = await Get.open(server, '/live/breaks.mp4');
  await viewer.received();
  await request.write(Buffer.alloc(400_000, 1));
  const answer = await request.answer;
  assert.equal(answer.status, 422);
  assert.match(answer.text, /MP4 box/);
  const played = await probe(await viewer.ended);
  assert.deepEqual([played.complaints, played.frames], ['', played.packets]);
  assert.ok(played.frames > 0);
  assert.equal((await Get.open(server, '/live/breaks.mp4')).status, 410, 'nobody could come back: it showed no token');
});

test('a publisher that is cut off and shows its token comes back to the same viewers', async () => {
  const bytes = await recording('WebM VP8');
  const first = new Put(server, 'returns', bearer('mine'));
  await first.write(bytes.subarray(0, BEGINNING));
  await live(server, 'returns');
  const viewer = await Get.open(server, '/live/returns.webm');
  await viewer.caughtUp(bytes.subarray(0, BEGINNING));
  first.cut();
  const second = new Put(server, 'returns', bearer('mine'));
  // It sends the same bytes again.
  await paced(bytes, 0, (piece) => second.write(piece), viewer, viewer.soFar().length);
  assert.equal((await second.end()).status, 200);
  const played = await plays(await viewer.ended);
  const alone = await probe(bytes);
  assert.ok(played.frames > alone.frames, `${played.frames} of both, ${alone.frames} of the second`);
});

test('a publisher that is cut off without a token ends its stream at once', async () => {
  const { request } = await half('goes', {});
  const viewer = await Get.open(server, '/live/goes.webm');
  await viewer.received();
  request.cut();
  const played = await probe(await viewer.ended);
  assert.deepEqual([played.complaints, played.first, played.frames > 0], ['', 'K', true]);
  assert.equal((await Get.open(server, '/live/goes.webm')).status, 410);
});

test('headers are those that players, pages and caches need', async () => {
  const publisher = await half('heads', {});
  const viewer = await Get.open(server, '/live/heads.webm');
  const of = (response, name) => response.headers.get(name);
  assert.equal(of(viewer.response, 'access-control-allow-origin'), '*');
  assert.equal(of(viewer.response, 'cache-control'), 'no-store');
  const head = await fetch(`${server.url}/live/heads.webm`, { method: 'HEAD' });
  assert.deepEqual([head.status, of(head, 'content-type')], [200, 'video/webm']);
  const missing = await fetch(`${server.url}/live/nothing.webm`);
  assert.deepEqual([missing.status, await missing.text()], [404, 'there is no such stream\n']);
  assert.equal((await fetch(`${server.url}/live/nothing.jpg`)).status, 404);
  assert.equal((await fetch(`${server.url}/live/heads.ogg`)).status, 404);
  const options = await fetch(`${server.url}/live/heads.webm`, { method: 'OPTIONS' });
  assert.deepEqual([options.status, of(options, 'access-control-allow-methods')], [204, 'GET, HEAD']);
  assert.equal((await fetch(`${server.url}/live/heads`, { method: 'DELETE' })).status, 405);
  assert.equal((await server.json('/health')).distribution.totalViewers, 1, 'a viewer over HTTP is counted');
  await finish(publisher);
  await viewer.ended;
  await server.until(async () => (await server.json('/health')).distribution.totalViewers === 0);
});

test('who comes before the first frame waits for it', async () => {
  const bytes = await recording('WebM VP8');
  const request = new Put(server, 'early');
  await request.write(bytes.subarray(0, 100));
  await server.until(async () => (await fetch(`${server.url}/live/early.webm`, { method: 'HEAD' })).status === 200);
  const coming = Get.open(server, '/live/early.webm');
  await request.write(bytes.subarray(100));
  const viewer = await coming;
  assert.equal((await request.end()).status, 200);
  assert.equal(viewer.status, 200);
  await viewer.ended;
});

test('POST publishes as PUT does, and 100-continue is answered', async () => {
  const bytes = await recording('WebM VP8');
  const answer = await put(server, 'methods', bytes, { method: 'POST' });
  assert.equal(answer.status, 200, answer.text);
  const request = new Put(server, 'methods', { headers: { Expect: '100-continue' } });
  await new Promise((resolve) => request.request.on('continue', resolve));
  await request.write(bytes);
  assert.equal((await request.end()).status, 200);
});

test('Icecast sources publish, whose body ends with their connection', async () => {
  for (const legacy of ['0', '1']) {
    const source = run('ffmpeg', [
      '-loglevel', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=64x64', '-t', '3', '-c:v', 'libvpx', '-g', '15', '-f', 'webm',
      '-cluster_time_limit', '200', '-content_type', 'video/webm', '-ice_name', 'Radio Ada', '-legacy_icecast', legacy,
      `icecast://source:secret@127.0.0.1:${server.port}/live/ice`,
    ]);
    await live(server, 'ice');
    const { streams } = await server.json('/streams');
    assert.equal(streams.find((stream) => stream.streamKey === 'ice').streamerUsername, 'Radio Ada');
    const viewer = await Get.open(server, '/live/ice.webm');
    await viewer.received();
    assert.equal((await put(server, 'ice', Buffer.alloc(1))).status, 401);
    await source;
    await plays(await viewer.ended);
  }
});

test('an Icecast source of the old kind has its answer before it sends', async () => {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.write('SOURCE /live/old HTTP/1.0\r\nContent-Type: video/webm\r\n\r\n');
  const [answer] = await once(socket, 'data');
  assert.match(answer.toString(), /^HTTP\/1\.[01] 200 /);
  const bytes = await recording('WebM VP8');
  socket.write(bytes.subarray(0, BEGINNING));
  await live(server, 'old');
  const viewer = await Get.open(server, '/live/old.webm');
  await paced(bytes, BEGINNING, (piece) => socket.write(piece), viewer);
  socket.end();
  await plays(await viewer.ended, bytes);
});

test('the operator sees what each viewer of every door was given, and nobody else does', async () => {
  const publisher = await half('listed', bearer('mine'), BEGINNING);
  const webm = await Get.open(server, '/live/listed.webm');
  await webm.received();
  const bob = await server.viewer('listed', 'bob');
  const native = await Native.watch(server, 'listed');
  await native.got(1);
  const list = async (headers = {}) => fetch(`${server.url}/streams/listed/viewers`, { headers });
  const viewers = async () => (await (await list()).json()).viewers;
  const last = publisher.rest.slice(-3);
  const { bytes, begun, request } = publisher;
  await paced(bytes.subarray(0, bytes.length - Buffer.concat(last).length), begun.length, (piece) => request.write(piece), webm);
  publisher.rest = last;
  await native.got(60);
  await server.until(async () => (await viewers()).every((viewer) => viewer.delivered > 20));
  const answer = await (await list()).json();
  assert.deepEqual([answer.streamKey, answer.total], ['listed', 3]);
  const by = Object.fromEntries(answer.viewers.map((viewer) => [viewer.door, viewer]));
  assert.deepEqual(Object.keys(by).sort(), ['Socket.IO', 'WebM', 'the native door']);
  assert.equal(by['Socket.IO'].name, 'bob');
  assert.ok(answer.viewers.every(({ receiving, skipped, lags }) => receiving === 'all' && skipped === 0 && lags === 0), JSON.stringify(answer));
  for (const headers of [{ 'X-Forwarded-For': '192.0.2.7' }, { Forwarded: 'for=192.0.2.7' }]) {
    const refused = await list(headers);
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /^this server asks for the operator's key/);
  }
  assert.equal((await fetch(`${server.url}/streams/nothing/viewers`)).status, 404);
  bob.emit('stream:leave', { streamKey: 'listed' });
  await server.until(async () => (await viewers()).length === 2);
  await finish(publisher);
  await webm.ended;
});

test('a publisher that is replaced or ended hears of it, also while it sends nothing', async () => {
  const first = await half('silent', bearer('mine'));
  const second = await half('silent', bearer('mine'));
  assert.equal((await first.request.answer).status, 409);
  const ada = await server.user('ada', 'STREAMER');
  ada.emit('stream:end', { streamKey: 'silent', publishToken: 'mine' });
  assert.equal((await second.request.answer).status, 410);
});

test('a viewer that stops reading costs its connection and nothing else', async () => {
  const bytes = await recording('WebM VP8');
  const request = new Put(server, 'stalled', bearer('mine'));
  await request.write(bytes.subarray(0, bytes.length / 2));
  await live(server, 'stalled');
  const stalled = Array.from({ length: 20 }, () => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.write('GET /live/stalled.webm HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    return socket;
  });
  await server.until(async () => (await server.json('/health')).distribution.totalViewers === 20);
  const quick = await Get.open(server, '/live/stalled.webm');
  await quick.received();
  const before = await rss();
  await request.write(bytes.subarray(bytes.length / 2));
  // The recorder starts again and again: 30 MB in all, none of which the others read.
  for (let round = 0; round < 30_000_000 / bytes.length; round++) await request.write(bytes);
  assert.equal((await request.end()).status, 200);
  await plays(await quick.ended);
  const grown = (await rss()) - before;
  // The stream's newest 16 MiB once, and what comes and goes meanwhile.
  assert.ok(grown < 48_000, `${grown} kB more`);
  for (const socket of stalled) socket.destroy();
});

/** The server's memory in kB. */
async function rss() {
  return Number((await run('ps', ['-o', 'rss=', '-p', String(server.child.pid)])).stdout);
}

test('bytes of every kind of damage neither end the server nor make it grow', async () => {
  // Numbers that are the same in every run.
  let seed = 7;
  const random = (below) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  const before = await rss();
  for (const kind of ['WebM VP8', 'WebM AV1', 'Matroska H.264', 'fMP4 H.264', 'JPEG']) {
    const whole = await recording(kind);
    for (let round = 0; round < 12; round++) {
      const body = Buffer.from(whole);
      for (let hit = 0; hit < 1 + random(40); hit++) body[random(body.length)] = random(256);
      const cut = body.subarray(0, 1 + random(body.length));
      const answer = await put(server, 'damage', cut);
      assert.ok([200, 415, 422].includes(answer.status), `${kind}: ${answer.status} ${answer.text}`);
    }
  }
  assert.ok(server.alive());
  assert.equal((await server.json('/health')).activeStreams, 0);
  const grown = (await rss()) - before;
  assert.ok(grown < 60_000, `${grown} kB more`);
});

test('viewers of every door count as connections, and who is one too many is told so', async () => {
  const small = await Server.start({ args: ['--connections-max', '8'] });
  try {
    const bytes = await recording('WebM VP8');
    const request = new Put(small, 'crowd', bearer('mine'));
    await request.write(bytes.subarray(0, bytes.length / 2));
    await live(small, 'crowd');
    const sockets = [];
    const status = async () => {
      const socket = net.connect(small.port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => {});
      socket.write('GET /live/crowd.webm HTTP/1.1\r\nHost: x\r\n\r\n');
      const [first] = await once(socket, 'data');
      return Number(first.toString('latin1').split(' ')[1]);
    };
    const answers = [];
    for (let n = 0; n < 12; n++) answers.push(await status());
    assert.equal(answers.at(-1), 503);
    assert.ok(answers.filter((one) => one === 200).length <= 8, answers.join(' '));
    for (const socket of sockets) socket.destroy();
    request.cut();
  } finally {
    await small.stop();
  }
});
