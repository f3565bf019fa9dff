// How long a joiner waits for its first picture, at every door. Not part of the tests: it measures.
//
//   node tests/live/joins.mjs [--joins 20] [--doors native,webm,…] [--publishers frames,recording,pictures] [--seed 1]
//
// Three publishers, at 30 pictures a second each: `frames` sends single VP9 frames over the native door and answers
// requests for keyframes, as the pages do; `recording` PUTs a WebM with a keyframe every two seconds and cannot be asked;
// `pictures` sends JPEG over the native door. To each come viewers, one after the other, at random moments; nobody else
// watches. A wait goes from the beginning of a viewer's connection to the last byte of the first keyframe, which is all
// that a decoder needs. For the native door `fresh` is the wait for a keyframe that was captured after the viewer came:
// until then it is shown a picture of the newest group, decoded in a hurry.
//
// Prints JSON. ABANICO_BIN names the server's binary.

import { execFile } from 'node:child_process';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import { parseArgs, promisify } from 'node:util';
import { Server } from '../streamhub/node.mjs';
import { Native } from './native.mjs';
import { live, Put } from './peers.mjs';

const { io } = createRequire(new URL('../../web/package.json', import.meta.url))('socket.io-client');
const run = promisify(execFile);

const { values } = parseArgs({
  options: {
    joins: { type: 'string', default: '20' },
    doors: { type: 'string', default: 'socketio,native,webm,mp4,mjpeg,jpg' },
    publishers: { type: 'string', default: 'frames,recording,pictures' },
    seed: { type: 'string', default: '1' },
  },
});
const doorsWanted = values.doors.split(',');

const FPS = 30;
const SECONDS = 4;
const INPUT = ['-f', 'lavfi', '-i', `testsrc2=size=640x480:rate=${FPS}`];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-b:v', '1400k'];
/** The longest that a viewer lets pass before the next one comes. */
const PAUSE_MS = 1_000;

let seed = Number(values.seed);
function random() {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ffmpeg(...args) {
  const { stdout } = await run('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...INPUT, ...args, '-t', `${SECONDS}`, 'pipe:1'], {
    encoding: 'buffer',
    maxBuffer: 256 << 20,
  });
  return stdout;
}

/** The payloads of an IVF file. */
function ivf(bytes) {
  const payloads = [];
  for (let at = 32; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    payloads.push(bytes.subarray(at + 12, at + 12 + length));
    at += 12 + length;
  }
  return payloads;
}

/** The pictures of `ffmpeg -f mjpeg`, whose data has no thumbnails. */
function jpegs(bytes) {
  const pictures = [];
  const end = Buffer.from([0xff, 0xd9, 0xff, 0xd8]);
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(end, at);
    const to = next < 0 ? bytes.length : next + 2;
    pictures.push(bytes.subarray(at, to));
    at = to;
  }
  return pictures;
}

/** Calls `tick` with 0, 1, 2 … at the pace of the pictures. Returns what stops it. */
function atPace(tick) {
  const begun = performance.now();
  let n = 0;
  const timer = setInterval(() => {
    while (n <= ((performance.now() - begun) / 1000) * FPS) tick(n++);
  }, 4);
  return () => clearInterval(timer);
}

/** What a page captured just now, in the server's clock, which is this machine's. */
const captured = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));

async function publishEncoded(server, key, codec, frameAt) {
  const publisher = await Native.publish(server, key);
  publisher.say({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec, width: 640, height: 480 }] });
  let heard = 0;
  const stop = atPace((n) => {
    const asked = publisher.texts.length > heard && publisher.texts.slice(heard).some((text) => text.type === 'keyframe');
    heard = publisher.texts.length;
    publisher.frame(frameAt(n, asked), Math.round((n * 1e6) / FPS), { captured: captured() });
  });
  return () => {
    stop();
    publisher.close();
  };
}

const PUBLISHERS = {
  async frames(server, key) {
    const deltas = ivf(await ffmpeg(...VP9, '-g', '1000', '-f', 'ivf'));
    const keyframes = ivf(await ffmpeg(...VP9, '-g', '1', '-f', 'ivf'));
    const every = 2 * FPS;
    return publishEncoded(server, key, 'vp09.00.21.08', (n, asked) => {
      const keyframe = asked || n % every === 0;
      // What the first of the deltas is nobody needs twice.
      return { keyframe, payload: keyframe ? keyframes[n % keyframes.length] : deltas[1 + (n % (deltas.length - 1))] };
    });
  },
  async pictures(server, key) {
    const pictures = jpegs(await ffmpeg('-c:v', 'mjpeg', '-q:v', '6', '-f', 'mjpeg'));
    return publishEncoded(server, key, 'jpeg', (n) => ({ keyframe: true, payload: pictures[n % pictures.length] }));
  },
  async recording(server, key) {
    const bytes = await ffmpeg(...VP9, '-g', `${2 * FPS}`, '-cluster_time_limit', '1', '-f', 'webm', '-live', '1');
    const request = new Put(server, key);
    request.answer.catch(() => {});
    // A recorder that is started again whenever it comes to its end, and gives what it has at each picture.
    const count = FPS * SECONDS;
    const stop = atPace((n) => {
      const of = n % count;
      request.write(bytes.subarray(Math.floor((of * bytes.length) / count), Math.floor(((of + 1) * bytes.length) / count)));
    });
    return () => {
      stop();
      request.cut();
    };
  },
};

/** The doors that can carry what each publisher sends. */
const CARRIED = {
  frames: ['socketio', 'native', 'webm', 'mp4'],
  recording: ['socketio', 'native', 'webm', 'mp4'],
  pictures: ['socketio', 'native', 'mjpeg', 'jpg'],
};

/** One long answer, until `whole` says that its bytes hold a picture. */
function overHttp(ending, whole) {
  return (server, key) =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      const request = http.get({ port: server.port, host: '127.0.0.1', path: `/live/${key}.${ending}`, agent: false }, (response) => {
        if (response.statusCode !== 200) return reject(new Error(`.${ending}: ${response.statusCode}`));
        let body = Buffer.alloc(0);
        response.on('data', (part) => {
          body = Buffer.concat([body, part]);
          if (!whole(body)) return;
          resolve({ wait: performance.now() - begun });
          request.destroy();
        });
      });
      request.on('error', reject);
    });
}

/** The number of an EBML element's length, and where its content begins; `undefined` while it is not there. */
function elementAt(bytes, at) {
  const lengthOf = (first) => Math.clz32(first) - 23;
  if (at + 12 > bytes.length) return undefined;
  const idBytes = lengthOf(bytes[at]);
  const id = bytes.readUIntBE(at, idBytes);
  const sizeBytes = lengthOf(bytes[at + idBytes]);
  let size = bytes[at + idBytes] & (0xff >> sizeBytes);
  let isUnknown = size === 0xff >> sizeBytes;
  for (let n = 1; n < sizeBytes; n++) {
    const byte = bytes[at + idBytes + n];
    isUnknown &&= byte === 0xff;
    size = size * 256 + byte;
  }
  return { id, size: isUnknown ? Infinity : size, from: at + idBytes + sizeBytes };
}

function webmHasPicture(bytes) {
  const [SEGMENT, CLUSTER] = [0x18538067, 0x1f43b675];
  for (let at = 0, element; (element = elementAt(bytes, at)); ) {
    if (element.id === CLUSTER) return bytes.length >= element.from + element.size;
    at = element.id === SEGMENT ? element.from : element.from + element.size;
  }
  return false;
}

function mp4HasPicture(bytes) {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    if (bytes.toString('latin1', at + 4, at + 8) === 'mdat') return bytes.length >= at + size;
    at += size;
  }
  return false;
}

function multipartHasPicture(bytes) {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = Number(bytes.toString('latin1', 0, head).match(/content-length: (\d+)/i)?.[1]);
  return bytes.length >= head + 4 + length;
}

/** A JPEG ends with its mark, and nothing comes after it. */
function jpegIsWhole(bytes) {
  return bytes.length > 2 && bytes.readUInt16BE(bytes.length - 2) === 0xffd9;
}

const DOORS = {
  jpg: overHttp('jpg', jpegIsWhole),
  webm: overHttp('webm', webmHasPicture),
  mp4: overHttp('mp4', mp4HasPicture),
  mjpeg: overHttp('mjpeg', multipartHasPicture),
  async native(server, key) {
    const begun = performance.now();
    const came = captured();
    const viewer = await Native.watch(server, key);
    await viewer.until(() => viewer.frames.some((frame) => frame.keyframe), 'a keyframe came');
    const wait = performance.now() - begun;
    const isFresh = (frame) => frame.keyframe && frame.captured > came;
    const asks = viewer.frames.some((frame) => frame.captured > 0n);
    if (asks) await viewer.until(() => viewer.frames.some(isFresh), 'a keyframe came that was made meanwhile');
    const fresh = asks ? performance.now() - begun : undefined;
    viewer.close();
    return { wait, fresh };
  },
  async socketio(server, key) {
    const begun = performance.now();
    const socket = io(server.url, { transports: ['websocket'], forceNew: true, reconnection: false });
    // What comes first holds the newest picture, or the newest group from its keyframe on.
    const wait = await new Promise((resolve) => {
      const shown = () => resolve(performance.now() - begun);
      socket.on('stream:buffer', shown).on('stream:data', shown);
      socket.on('user:registered', () => socket.emit('stream:join', { streamKey: key }));
      socket.on('connect', () => socket.emit('user:register', { username: 'joiner', role: 'VIEWER' }));
    });
    socket.disconnect();
    return { wait };
  },
};

function told(times) {
  const sorted = times.filter((time) => time !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const round = (ms) => Math.round(ms * 10) / 10;
  return { p50: round(sorted[Math.floor((sorted.length - 1) / 2)]), max: round(sorted.at(-1)) };
}

const server = await Server.start();
const results = [];
try {
  for (const publisher of values.publishers.split(',')) {
    const stop = await PUBLISHERS[publisher](server, publisher);
    await live(server, publisher);
    for (const door of CARRIED[publisher].filter((one) => doorsWanted.includes(one))) {
      const joins = [];
      for (let n = 0; n < Number(values.joins); n++) {
        await after(random() * PAUSE_MS);
        joins.push(await DOORS[door](server, publisher));
      }
      const fresh = told(joins.map((join) => join.fresh));
      results.push({ publisher, door, joins: joins.length, ms: told(joins.map((join) => join.wait)), ...(fresh ? { fresh } : {}) });
      console.error(JSON.stringify(results.at(-1)));
    }
    stop();
  }
} finally {
  await server.stop();
}
console.log(JSON.stringify({ load: os.loadavg()[0], results }));
process.exit();
