// WHIP in and WHEP out, with Chromium as the peer: what it publishes is seen at the other doors and by other browsers, what
// ffmpeg puts in is played by it, and what should be refused is, with a sentence.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server } from '../streamhub/node.mjs';
import { launchBrowser, openPage } from './chromium.mjs';
import { Native, vp8 } from './native.mjs';
import { Get, live, probe, publish as publishTo } from './peers.mjs';
const LONG = { timeout: 60_000 };

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/** Runs in the page: what a WHIP and a WHEP client do. */
function clients() {
  const prefer = (transceiver, kind, codec) => {
    const all = RTCRtpReceiver.getCapabilities(kind).codecs;
    const first = all.filter((one) => one.mimeType.toLowerCase() === `${kind}/${codec}`.toLowerCase());
    const rest = all.filter((one) => /rtx|red|ulpfec/i.test(one.mimeType));
    transceiver.setCodecPreferences([...first, ...rest]);
  };
  const post = async (url, connection, token, over) => {
    await connection.setLocalDescription();
    const headers = { 'Content-Type': 'application/sdp', ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(url, { method: 'POST', headers, body: connection.localDescription.sdp });
    const text = await answer.text();
    if (answer.status !== 201) return { status: answer.status, text };
    const is = (line) => !over || !line.startsWith('a=candidate:') || line.split(' ')[2].toLowerCase() === over;
    await connection.setRemoteDescription({ type: 'answer', sdp: text.split('\r\n').filter(is).join('\r\n') });
    const location = answer.headers.get('location');
    return { status: 201, text, location, etag: answer.headers.get('etag'), link: answer.headers.get('link') };
  };
  window.whip = async (url, { codec, token, sound = true, layers } = {}) => {
    const size = layers ? { width: 640, height: 480 } : { width: 320, height: 240 };
    const media = await navigator.mediaDevices.getUserMedia({ video: size, audio: sound });
    const connection = (window.publisher = new RTCPeerConnection());
    for (const track of media.getTracks()) {
      const sendEncodings = track.kind === 'video' ? layers : undefined;
      const transceiver = connection.addTransceiver(track, { direction: 'sendonly', streams: [media], sendEncodings });
      if (track.kind === 'video' && codec) prefer(transceiver, 'video', codec);
    }
    return post(url, connection, token);
  };
  window.whep = async (url, { codec, sound = true, over, token } = {}) => {
    const connection = (window.viewer = new RTCPeerConnection());
    const transceiver = connection.addTransceiver('video', { direction: 'recvonly' });
    if (codec) prefer(transceiver, 'video', codec);
    if (sound) connection.addTransceiver('audio', { direction: 'recvonly' });
    const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true });
    document.body.append(video);
    video.srcObject = new MediaStream();
    connection.ontrack = ({ track }) => video.srcObject.addTrack(track);
    window.begun = performance.now();
    window.firstPicture = new Promise((resolve) => {
      video.requestVideoFrameCallback(() => resolve(performance.now() - window.begun));
    });
    window.video = video;
    return post(url, connection, token, over);
  };
  /** The credentials of the pair that media flows through. */
  window.pair = async () => {
    const report = [...(await window.viewer.getStats()).values()];
    const transport = report.find((one) => one.type === 'transport');
    const pair = report.find((one) => one.id === transport.selectedCandidatePairId);
    const { usernameFragment, protocol } = report.find((one) => one.id === pair.remoteCandidateId);
    return { remote: usernameFragment, protocol };
  };
  /** What a client does whose network has changed. */
  window.restart = async (url) => {
    const connection = window.viewer;
    const before = (await window.pair()).remote;
    const answer = connection.remoteDescription.sdp;
    await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
    const body = connection.localDescription.sdp.split('\r\n').filter((line) => /^(m=|a=(mid|ice-ufrag|ice-pwd|candidate):?)/.test(line));
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' };
    const response = await fetch(url, { method: 'PATCH', headers, body: body.join('\r\n') + '\r\n' });
    const text = await response.text();
    const own = (name) => text.match(new RegExp(`a=ice-${name}:(\\S+)`))?.[1];
    const sdp = answer.replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${own('ufrag')}`).replace(/a=ice-pwd:.*/g, `a=ice-pwd:${own('pwd')}`);
    await connection.setRemoteDescription({ type: 'answer', sdp });
    return { status: response.status, text, before, type: response.headers.get('content-type'), etag: response.headers.get('etag') };
  };
  /** Whether the server has said goodbye. */
  window.over = (connection) => connection.getTransceivers()[0].receiver.transport?.state === 'closed';
  /** Waits until so many pictures were shown, and sound came if there is some, and says what the receiver counted. */
  window.shown = async (pictures, hasSound = false) => {
    const first = await window.firstPicture;
    for (let n = 0; n < pictures; n++) await new Promise((resolve) => window.video.requestVideoFrameCallback(resolve));
    let report;
    const of = (kind) => report.find((one) => one.type === 'inbound-rtp' && one.kind === kind);
    do report = [...(await window.viewer.getStats()).values()];
    while (hasSound && !of('audio')?.packetsReceived);
    const { framesDecoded, packetsLost, codecId } = of('video');
    const codec = report.find((one) => one.id === codecId)?.mimeType;
    return { first, width: window.video.videoWidth, framesDecoded, packetsLost, codec, sound: of('audio')?.packetsReceived ?? 0 };
  };
}

async function page(t, at = server) {
  const opened = await openPage(t, browser, at);
  await opened.evaluate(clients);
  return opened;
}

const publish = (t, kind, key, at = server) => publishTo(t, at, kind, key);

const post = (path, body, headers = { 'Content-Type': 'application/sdp' }, at = server) =>
  fetch(at.url + path, { method: 'POST', headers, body });

/** Runs in the page: an offer to receive, which nobody follows. */
async function receiving() {
  const connection = new RTCPeerConnection();
  connection.addTransceiver('video', { direction: 'recvonly' });
  return (await connection.createOffer()).sdp;
}

/** How many viewers a stream has. */
async function viewers(key, at = server) {
  const { streams } = await at.json('/streams');
  return streams.find((one) => one.streamKey === key).viewerCount;
}

for (const [codec, ending, name] of [
  ['VP8', 'webm', 'vp8'],
  ['VP9', 'webm', 'vp9'],
  ['H264', 'mp4', 'h264'],
  ['AV1', 'webm', 'av1'],
]) {
  test(`what Chromium publishes by WHIP as ${codec} plays at .${ending} and by WHEP`, LONG, async (t) => {
    const key = `whip-${codec}`;
    const publisher = await page(t);
    const made = await publisher.evaluate(([url, codec]) => window.whip(url, { codec }), [`${server.url}/whip/${key}`, codec]);
    assert.equal(made.status, 201, made.text);
    assert.match(made.location, new RegExp(`^/whip/${key}/[0-9a-f]{32}$`));
    await live(server, key);

    const viewer = await page(t);
    const joined = await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/${key}`);
    assert.equal(joined.status, 201, joined.text);
    const seen = await viewer.evaluate(() => window.shown(20, true));
    assert.equal(seen.codec?.toLowerCase(), `video/${codec}`.toLowerCase());
    assert.ok(seen.width > 0 && seen.framesDecoded >= 20, JSON.stringify(seen));
    assert.ok(seen.sound > 0, 'sound travels too');
    t.diagnostic(`first picture after ${Math.round(seen.first)} ms, ${seen.packetsLost} packets lost`);

    const get = await Get.open(server, `/live/${key}.${ending}`);
    assert.equal(get.status, 200);
    await server.until(async () => (await probe(get.soFar())).packets > 10);
    const ended = await fetch(server.url + made.location, { method: 'DELETE' });
    assert.equal(ended.status, 200);
    const played = await probe(await get.ended);
    assert.deepEqual(played.codecs, [name, 'opus'].sort());
    assert.equal(played.first, 'K');
    assert.ok(played.frames > 10, `${played.frames} pictures`);
    // DELETE ended the stream, for the viewer too.
    await server.until(async () => !(await server.json('/streams')).streams.some((one) => one.streamKey === key));
    await viewer.waitForFunction(() => window.over(window.viewer));
    assert.equal((await fetch(server.url + made.location, { method: 'DELETE' })).status, 404);
  });
}

for (const [kind, codec] of [
  ['WebM VP8', 'VP8'],
  ['WebM VP9', 'VP9'],
  ['WebM AV1', 'AV1'],
  ['Matroska H.264', 'H264'],
  ['fMP4 H.264', 'H264'],
]) {
  test(`Chromium plays ${kind} by WHEP`, LONG, async (t) => {
    const key = `whep-${kind.replaceAll(/\W/g, '')}`;
    await publish(t, kind, key);
    const viewer = await page(t);
    const joined = await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/${key}`);
    assert.equal(joined.status, 201, joined.text);
    const hasSound = kind !== 'fMP4 H.264';
    const seen = await viewer.evaluate((hasSound) => window.shown(20, hasSound), hasSound);
    assert.equal(seen.codec?.toLowerCase(), `video/${codec}`.toLowerCase());
    assert.equal(seen.width, 320);
    assert.equal(seen.sound > 0, hasSound, 'Opus travels, AAC does not');
    t.diagnostic(`first picture after ${Math.round(seen.first)} ms, ${seen.packetsLost} packets lost`);
    assert.equal(await viewers(key), 1, 'it is counted');
    await fetch(server.url + joined.location, { method: 'DELETE' });
    await server.until(async () => (await viewers(key)) === 0);
  });
}

test('a viewer by WHEP is put out when its link is taken back, and when it expires', LONG, async (t) => {
  const key = 'whep-private';
  const publisher = await Native.publish(server, key, { private: true });
  t.after(() => publisher.close());
  const { token } = await publisher.heard('ready');
  publisher.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'vp8', width: 160, height: 120 }] });
  publisher.send(await vp8(20));
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const links = `${server.url}/streams/${key}/links`;
  const link = async (wish) => (await fetch(links, { method: 'POST', headers, body: JSON.stringify(wish) })).json();
  const viewer = await page(t);
  const joins = (token) => viewer.evaluate(([url, token]) => window.whep(url, { token, sound: false }), [`${server.url}/whep/${key}`, token]);
  assert.equal((await joins()).status, 404, 'without a link nobody is there');
  for (const [wish, end] of [
    [
      {},
      async ({ id }) => {
        await viewer.evaluate(() => window.firstPicture);
        assert.equal(await viewer.evaluate(() => window.over(window.viewer)), false);
        await fetch(`${links}/${id}`, { method: 'DELETE', headers });
      },
    ],
    [{ expires: '3s' }, () => {}],
  ]) {
    const made = await link(wish);
    const joined = await joins(made.token);
    assert.equal(joined.status, 201, joined.text);
    await end(made);
    await viewer.waitForFunction(() => window.over(window.viewer));
    assert.equal((await fetch(server.url + joined.location, { method: 'DELETE' })).status, 404, 'the session is over');
    assert.equal((await joins(made.token)).status, 404, 'and the link opens nothing');
  }
});

test('of what Chromium publishes in layers everybody is given the best that there is room for', LONG, async (t) => {
  const publisher = await page(t);
  const layers = [
    { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 100_000 },
    { rid: 'h', maxBitrate: 1_000_000 },
  ];
  const made = await publisher.evaluate((args) => window.whip(...args), [`${server.url}/whip/layers`, { layers }]);
  assert.equal(made.status, 201, made.text);
  await live(server, 'layers');
  const viewer = await page(t);
  await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/layers`);
  await viewer.waitForFunction(() => window.video.videoWidth === 640);
  const seen = await viewer.evaluate(() => window.shown(20, true));
  assert.equal(seen.packetsLost, 0);
  assert.ok(seen.sound > 0);
  const get = await Get.open(server, '/live/layers.webm');
  await get.received(60_000);
  await fetch(server.url + made.location, { method: 'DELETE' });
  const played = await probe(await get.ended);
  assert.deepEqual(played.codecs, ['opus', 'vp8']);
  assert.equal(played.first, 'K');
});

const python = process.env.ABANICO_PYTHON ?? 'python3';
const script = fileURLToPath(new URL('rtc_peer.py', import.meta.url));

/** aiortc, and what it says when it is done. */
function aiortc(...args) {
  const running = promisify(execFile)(python, [script, ...args.map(String)]);
  return { input: running.child.stdin, said: running.then(({ stdout }) => JSON.parse(stdout)) };
}

for (const codec of ['VP8', 'H264']) {
  test(`aiortc publishes by WHIP and watches by WHEP, as ${codec}`, LONG, async (t) => {
    const key = `aiortc-${codec}`;
    const publisher = aiortc('publish', `${server.url}/whip/${key}`, '--codec', codec);
    await live(server, key);
    const seen = await aiortc('watch', `${server.url}/whep/${key}`, '--pictures', 30, '--sound').said;
    assert.deepEqual(seen.size, [640, 480]);
    assert.equal(seen.lost, 0);
    assert.ok(seen.sound > 0, 'sound travels too');
    assert.equal(seen.deleted, 200);
    t.diagnostic(`first picture after ${Math.round(seen.first)} ms`);
    const viewer = await page(t);
    await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/${key}`);
    assert.equal((await viewer.evaluate(() => window.shown(5))).width, 640, 'Chromium shows it too');
    publisher.input.end();
    assert.deepEqual(await publisher.said, { deleted: 200 });
    await viewer.waitForFunction(() => window.over(window.viewer));
  });
}

test('the log says why a peer with an RSA certificate is turned away', LONG, async (t) => {
  const publisher = aiortc('publish', `${server.url}/whip/rsa`, '--rsa');
  t.after(() => publisher.input.end());
  await server.until(async () => (await server.json('/streams')) && /WARN.*no ECDSA certificate.*over HTTP.*key="r…"/.test(server.log));
  publisher.input.end();
  // It has ended already.
  assert.deepEqual(await publisher.said, { deleted: 404 });
  const { streams } = await server.json('/streams');
  assert.ok(!streams.some((one) => one.streamKey === 'rsa'));
});

test('aiortc watches what Chromium publishes', LONG, async (t) => {
  const publisher = await page(t);
  await publisher.evaluate((url) => window.whip(url, { codec: 'VP8' }), `${server.url}/whip/mixed`);
  await live(server, 'mixed');
  const seen = await aiortc('watch', `${server.url}/whep/mixed`, '--pictures', 20, '--sound').said;
  assert.equal(seen.lost, 0);
  assert.ok(seen.sound > 0);
});

test('a viewer whose network lets no UDP through watches over TCP, at the port of HTTP', LONG, async (t) => {
  await publish(t, 'WebM VP8', 'tcp');
  const viewer = await page(t);
  const joined = await viewer.evaluate((url) => window.whep(url, { over: 'tcp' }), `${server.url}/whep/tcp`);
  assert.equal(joined.status, 201, joined.text);
  assert.match(joined.text, new RegExp(`typ host .*tcptype passive`));
  const seen = await viewer.evaluate(() => window.shown(30, true));
  assert.equal(seen.packetsLost, 0);
  assert.ok(seen.sound > 0);
  assert.deepEqual(await viewer.evaluate(() => window.pair().then(({ protocol }) => protocol)), 'tcp');
  t.diagnostic(`first picture after ${Math.round(seen.first)} ms`);
  await fetch(server.url + joined.location, { method: 'DELETE' });
  await server.until(async () => (await viewers('tcp')) === 0);
});

test('a WHIP publisher needs the token of a stream that exists', LONG, async (t) => {
  const url = `${server.url}/whip/whip-token`;
  const first = await page(t);
  const made = await first.evaluate((url) => window.whip(url, { token: 'secret', sound: false }), url);
  assert.equal(made.status, 201, made.text);
  await live(server, 'whip-token');
  const other = await page(t);
  const refused = await other.evaluate((url) => window.whip(url, { token: 'guess' }), url);
  assert.equal(refused.status, 401);
  assert.match(refused.text, /^the token is not this stream's/);
  const none = await other.evaluate((url) => window.whip(url), url);
  assert.equal(none.status, 401);
  // Who shows it takes the seat over; the one before is told by its connection.
  const taken = await other.evaluate((url) => window.whip(url, { token: 'secret' }), url);
  assert.equal(taken.status, 201);
  await first.waitForFunction(() => window.over(window.publisher));
  const viewer = await page(t);
  await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/whip-token`);
  await viewer.evaluate(() => window.shown(5));
});

test('a WHIP publisher that closes its connection ends the stream', LONG, async (t) => {
  const publisher = await page(t);
  await publisher.evaluate((url) => window.whip(url, { token: 'secret', sound: false }), `${server.url}/whip/closed`);
  await live(server, 'closed');
  const viewer = await page(t);
  await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/closed`);
  await viewer.evaluate(() => window.shown(3));
  await publisher.evaluate(() => window.publisher.close());
  await viewer.waitForFunction(() => window.over(window.viewer));
  await server.until(async () => !(await server.json('/streams')).streams.some((one) => one.streamKey === 'closed'));
});

test('a session takes late candidates and restarts ICE without a gap', LONG, async (t) => {
  await publish(t, 'WebM VP8', 'trickle');
  const viewer = await page(t);
  const { location, etag } = await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/trickle`);
  const fragment = await viewer.evaluate(() => window.viewer.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1]);
  const patch = async (body, headers = {}) => {
    const all = { 'Content-Type': 'application/trickle-ice-sdpfrag', ...headers };
    return (await fetch(server.url + location, { method: 'PATCH', headers: all, body })).status;
  };
  const late = `a=ice-ufrag:${fragment}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n`;
  assert.equal(await patch(late), 204);
  assert.equal(await patch(late, { 'If-Match': etag }), 204);
  assert.equal(await patch(late, { 'If-Match': '"other"' }), 412);
  assert.equal(await patch(late, { 'If-Match': `"other", ${etag}` }), 204, 'one of a list is enough');
  assert.equal(await patch(late, { 'If-Match': `W/${etag}` }), 412, 'a weak tag is another');
  assert.equal(await patch('hello'), 400);
  assert.equal(await patch(late.replace(fragment, 'another1')), 428, 'a restart says what it follows');
  assert.equal(await patch(late.replace(fragment, 'another1'), { 'If-Match': '*' }), 400, 'a restart needs a password');
  assert.equal(await patch(late, { 'Content-Type': 'text/plain' }), 415);
  const preflight = await fetch(server.url + location, { method: 'OPTIONS' });
  assert.match(preflight.headers.get('access-control-allow-methods'), /PATCH, DELETE/);

  await viewer.evaluate(() => window.shown(3));
  const restarted = await viewer.evaluate((url) => window.restart(url), server.url + location);
  assert.equal(restarted.status, 200, restarted.text);
  assert.match(restarted.type, /trickle-ice-sdpfrag/);
  assert.ok(restarted.etag && restarted.etag !== etag);
  await viewer.waitForFunction((before) => window.pair().then((now) => now.remote !== before), restarted.before);
  const seen = await viewer.evaluate(() => window.shown(10));
  assert.equal(seen.packetsLost, 0);
  assert.equal(await patch(late, { 'If-Match': etag }), 412, 'the ETag of before');
  const before = `${late}a=ice-pwd:0123456789012345678901\r\n`;
  assert.equal(await patch(before, { 'If-Match': '*' }), 409, 'what comes late restarts nothing');
});

test('what cannot be answered is refused with a sentence', LONG, async (t) => {
  const refused = async (answer, status, sentence) => {
    assert.equal(answer.status, status);
    assert.match(await answer.text(), sentence);
  };
  const viewer = await page(t);
  const offer = await viewer.evaluate(receiving);
  await refused(await post('/whep/nowhere', offer), 404, /no such stream/);
  await refused(await post('/whip/a.b', offer.replaceAll('recvonly', 'sendonly')), 400, /a stream key has/);
  await refused(await post('/whip/demo', offer), 400, /no audio or video line that sends/);
  await refused(await post('/whip/demo', 'v=0'), 400, /no session description/);
  await refused(await post('/whip/demo', offer, { 'Content-Type': 'text/plain' }), 415, /application\/sdp/);
  await refused(await post('/whip/demo', 'a'.repeat(70_000)), 413, /at most 24576 bytes/);
  await refused(await fetch(`${server.url}/whip/demo`), 405, /POST an offer/);
  await refused(await fetch(`${server.url}/whep/demo/none`, { method: 'DELETE' }), 404, /no such session/);
  const preflight = await fetch(`${server.url}/whip/demo`, { method: 'OPTIONS' });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers'), /Authorization/);
  const { streams } = await server.json('/streams');
  assert.ok(!streams.some((one) => one.streamKey === 'demo'), 'nothing was opened');
});

test('a stream that WebRTC cannot carry is refused with its codec', LONG, async (t) => {
  await publish(t, 'JPEG', 'jpeg');
  const viewer = await page(t);
  const refused = await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/jpeg`);
  assert.equal(refused.status, 406);
  assert.match(refused.text, /JPEG pictures, which cannot travel in WebRTC/);
  await publish(t, 'WebM VP9', 'vp9');
  const other = await viewer.evaluate((url) => window.whep(url, { codec: 'VP8' }), `${server.url}/whep/vp9`);
  assert.equal(other.status, 406);
  assert.match(other.text, /this stream is VP9, which the offer does not have/);
});

test('garbage at the UDP port and offers that nobody follows disturb no viewer', LONG, async (t) => {
  const ROOM = 40;
  const servers = ['--ice-servers', 'stun:stun.example.org:3478,turn:who:what@turn.example.org:3478'];
  const server = await Server.start({ args: ['--rtc-sessions-max', `${ROOM}`, ...servers] });
  t.after(() => server.stop());
  await publish(t, 'WebM VP8', 'hostile', server);
  const viewer = await page(t, server);
  const { link } = await viewer.evaluate((url) => window.whep(url), `${server.url}/whep/hostile`);
  assert.match(link, /^<stun:stun\.example\.org:3478>; rel="ice-server", <turn:turn\.example\.org:3478>; rel="ice-server"; username="who"; credential="what"/);
  await viewer.evaluate(() => window.shown(3));
  const offer = await viewer.evaluate(receiving);

  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  const firsts = [0, 1, 20, 22, 23, 63, 64, 128, 144, 191, 200, 255];
  for (let n = 0; n < 2_000; n++) {
    const datagram = randomBytes(1 + (n % 1_400));
    datagram[0] = firsts[n % firsts.length];
    await new Promise((resolve) => socket.send(datagram, server.port, '127.0.0.1', resolve));
  }

  const statuses = new Set();
  for (let n = 0; n < 1_000; n += 50) {
    const answers = Array.from({ length: 50 }, () => post('/whep/hostile', offer, undefined, server));
    for (const answer of await Promise.all(answers)) {
      await answer.arrayBuffer();
      statuses.add(answer.status);
      if (answer.status === 503) assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    }
  }
  assert.deepEqual([...statuses].sort(), [201, 503], 'some are let in, and no more than may be');
  await viewer.evaluate(() => window.shown(20));
  // Who never connects is let go of, and no longer counted.
  await server.until(async () => (await viewers('hostile', server)) === 1);
  const again = await page(t, server);
  await again.evaluate((url) => window.whep(url), `${server.url}/whep/hostile`);
  await again.evaluate(() => window.shown(3));
});
