// What publishes and what watches in these tests: recordings that ffmpeg makes, one long PUT, one long GET, and ffprobe
// as the judge of all that is received.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { promisify } from 'node:util';

const run = promisify(execFile);
const quiet = ['-hide_banner', '-loglevel', 'error'];
const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30'];
const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'];
const opus = ['-c:a', 'libopus', '-b:a', '32k'];
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency'];
const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x265-params', 'log-level=none', '-tag:v', 'hvc1'];
const fragments = ['-movflags', 'empty_moov+frag_every_frame+default_base_moof'];

/** How each kind of recording is made. */
export const RECIPES = {
  'WebM VP8': [...tone, '-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '400k', ...opus, '-f', 'webm', '-live', '1'],
  'WebM VP9': [
    ...tone, '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '400k', ...opus,
    '-f', 'webm', '-live', '1',
  ],
  'WebM AV1': [...tone, '-c:v', 'libsvtav1', '-preset', '12', '-crf', '20', ...opus, '-f', 'webm', '-live', '1'],
  'Matroska H.264': [...tone, ...x264, ...opus, '-f', 'matroska', '-live', '1'],
  'fMP4 H.264': [...tone, ...x264, '-c:a', 'aac', ...fragments, '-f', 'mp4'],
  'fMP4 HEVC': [...tone, ...x265, '-c:a', 'aac', ...fragments, '-f', 'mp4'],
  'Matroska HEVC': [...tone, ...x265.slice(0, -2), ...opus, '-f', 'matroska', '-live', '1'],
  JPEG: ['-c:v', 'mjpeg', '-q:v', '6', '-f', 'mpjpeg', '-boundary_tag', 'parts'],
};

const made = new Map();

/** Three seconds with a keyframe every half second. */
export async function recording(kind) {
  if (!made.has(kind)) {
    const args = [...quiet, ...picture, ...RECIPES[kind], '-t', '3', '-g', '15', 'pipe:1'];
    made.set(kind, run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 << 20 }));
  }
  return (await made.get(kind)).stdout;
}

/** The pictures of a multipart body. */
export function pictures(body) {
  const all = [];
  let from = 0;
  for (let at; (at = body.indexOf('\r\n\r\n', from)) >= 0; ) {
    const head = body.subarray(from, at).toString('latin1');
    const length = Number(head.slice(head.toLowerCase().lastIndexOf('content-length:')).match(/\d+/)?.[0] ?? NaN);
    if (!(length > 0)) break;
    from = at + 4 + length;
    all.push(body.subarray(at + 4, from));
  }
  return all;
}

/** Cuts where nothing fits. */
export function pieces(bytes, sizes = [4_001, 13, 2_099, 9_011]) {
  const cut = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length];
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cut;
}

/** One long request. */
export class Put {
  constructor(server, key, { headers = {}, method = 'PUT' } = {}) {
    const options = { port: server.port, host: '127.0.0.1', path: `/live/${key}`, method, agent: false };
    this.request = http.request({ ...options, headers: { 'Transfer-Encoding': 'chunked', ...headers } });
    this.request.setMaxListeners(0);
    this.answer = new Promise((resolve, reject) => {
      this.request.on('response', async (response) => {
        this.answered = true;
        let text = '';
        try {
          for await (const part of response) text += part;
        } catch {
          // What was said before the connection was cut is what counts.
        }
        resolve({ status: response.statusCode, headers: response.headers, text: text.trim() });
      });
      this.request.on('error', reject);
    });
    this.answer.catch(() => {});
    this.request.flushHeaders();
  }

  async write(bytes) {
    // What was answered already is read no further.
    if (this.answered || this.request.closed || this.request.write(bytes)) return;
    const either = new AbortController();
    const { signal } = either;
    const events = ['drain', 'close', 'response'].map((name) => once(this.request, name, { signal }));
    await Promise.race(events).catch(() => {});
    either.abort();
  }

  async end() {
    this.request.end();
    return this.answer;
  }

  cut() {
    this.request.destroy();
  }
}

/** Publishes all of a body at once, and says how it was answered. */
export async function put(server, key, bytes, options) {
  const request = new Put(server, key, options);
  for (const piece of pieces(bytes)) await request.write(piece).catch(() => {});
  return request.end();
}

/** One long answer, collected as it comes. */
export class Get {
  static async open(server, path) {
    const get = new Get();
    const response = await fetch(server.url + path);
    Object.assign(get, { response, status: response.status, type: response.headers.get('content-type') });
    get.ended = (async () => {
      for await (const part of response.body ?? []) {
        get.#parts.push(part);
        get.#count(part.length);
      }
      return get.soFar();
    })();
    get.ended.catch(() => {});
    return get;
  }

  #parts = [];
  #received = 0;
  #awaited = [];

  /** All that has come. */
  soFar() {
    return Buffer.concat(this.#parts);
  }

  #count(length) {
    this.#received += length;
    this.#awaited = this.#awaited.filter(({ bytes, resolve }) => this.#received < bytes || resolve());
  }

  /**
   * Waits until this much has come: a header is below a kilobyte, a keyframe of these recordings above. Before a burst of
   * what follows: who is still in the group that it came to when two more begin is moved on to the newest.
   */
  async received(bytes = 1_000) {
    if (this.#received < bytes) await new Promise((resolve) => this.#awaited.push({ bytes, resolve }));
  }

  /**
   * Waits until what a publisher has sent last has come: one of the pieces of its end, which is cut where frames are not, and
   * frames travel as they are. They are so many bytes `apart`, and are looked for from `since` on.
   */
  async caughtUp(sent, apart = 500, since = 0) {
    const ends = [];
    for (let at = sent.length - 500; at > 0 && ends.length < 30; at -= apart) {
      const end = sent.subarray(at, at + 32);
      // Sound of one tone comes again.
      if (sent.indexOf(end) === at) ends.push(end);
    }
    const has = () => ends.length === 0 || ends.some((end) => this.soFar().includes(end, since));
    while (!has()) await this.received(this.#received + 1);
  }

  async text() {
    return (await this.ended).toString().trim();
  }
}

/** What ffprobe says of a recording: its complaints, its codecs, and the pictures that can be decoded. */
export async function probe(bytes, format) {
  const from = format ? ['-f', format] : [];
  const player = spawn('ffprobe', [
    ...quiet, ...from, '-count_frames', '-show_entries', 'stream=codec_name,codec_type,nb_read_frames:packet=pts_time,flags,codec_type',
    '-show_packets', '-of', 'json', '-i', 'pipe:0',
  ]);
  player.stdin.on('error', () => {});
  player.stdin.end(bytes);
  let [out, complaints] = ['', ''];
  player.stdout.on('data', (text) => (out += text));
  player.stderr.on('data', (text) => (complaints += text));
  await once(player, 'close');
  const { streams = [], packets = [] } = JSON.parse(out || '{}');
  const of = (type) => streams.find((stream) => stream.codec_type === type);
  const video = packets.filter((packet) => packet.codec_type === 'video');
  return {
    complaints,
    codecs: streams.map((stream) => stream.codec_name).sort(),
    frames: Number(of('video')?.nb_read_frames ?? 0),
    sounds: Number(of('audio')?.nb_read_frames ?? 0),
    first: video[0]?.flags[0],
    from: Number(video[0]?.pts_time),
    packets: video.length,
  };
}

/**
 * What a player finds in an answer of a door without looking into its frames: what it complains of, and how many pictures
 * there are. Copied to nowhere, they must also be in order.
 */
export async function unpacked(bytes, door) {
  if (door === 'mjpeg') {
    // ffmpeg complains of any body of pictures that ends; here every byte must belong to a part.
    const found = pictures(bytes);
    const around = 'Content-Type: image/jpeg\r\nContent-Length: \r\n\r\n\r\n--abanico\r\n'.length;
    const parts = found.reduce((sum, picture) => sum + around + String(picture.length).length + picture.length, 0);
    const rest = bytes.length - '--abanico\r\n'.length - parts;
    return { complaints: rest ? `${rest} bytes are in no part` : '', packets: found.length };
  }
  const copy = ['-i', 'pipe:0', '-map', '0:v:0', '-c', 'copy', '-f', 'null', '-progress', 'pipe:1', '-'];
  const { stdout, stderr } = await ffmpeg(copy, bytes);
  return { complaints: stderr, packets: Number(stdout.match(/frame=\s*(\d+)(?![^]*frame=)/)?.[1] ?? 0) };
}

/** What each picture of a recording decodes to, as a hash. */
export async function decoded(bytes, format) {
  const from = format ? ['-f', format] : [];
  const hash = [...from, '-i', 'pipe:0', '-map', '0:v:0', '-fps_mode', 'passthrough', '-f', 'framemd5', 'pipe:1'];
  const { stdout, stderr } = await ffmpeg(hash, bytes);
  assert.equal(stderr, '');
  const lines = stdout.split('\n').filter((line) => line && !line.startsWith('#'));
  return lines.map((line) => line.split(',').at(-1).trim());
}

/** Has ffmpeg read these bytes. */
async function ffmpeg(args, bytes) {
  const running = run('ffmpeg', [...quiet, ...args], { maxBuffer: 64 << 20 });
  running.child.stdin.on('error', () => {});
  running.child.stdin.end(bytes);
  return running;
}

/** How many pictures of a recording are shown at `from` or later. */
export async function framesFrom(bytes, from) {
  const { stdout } = await run(
    'ffprobe',
    [...quiet, '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'json', '-i', await file(bytes)],
    { maxBuffer: 64 << 20 },
  );
  return JSON.parse(stdout).packets.filter((packet) => Number(packet.pts_time) >= from - 0.002).length;
}

const files = new Map();

async function file(bytes) {
  const { mkdtemp, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  if (!files.has(bytes)) {
    const path = join(await mkdtemp(join(tmpdir(), 'abanico-recording-')), 'recording');
    await writeFile(path, bytes);
    files.set(bytes, path);
  }
  return files.get(bytes);
}

/** Removes the recordings that were written for the judge. */
export async function tidy() {
  const { rm } = await import('node:fs/promises');
  const { dirname } = await import('node:path');
  for (const path of files.values()) await rm(dirname(path), { recursive: true, force: true });
  files.clear();
}

/** ffmpeg as a publisher in real time, until the test is over. It may leave pictures out: three of twenty. */
export async function publish(t, server, kind, key, isUneven = false) {
  const input = ['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=30'];
  const gaps = isUneven ? ['-vf', "select='lt(mod(n,20),17)'", '-fps_mode', 'passthrough'] : [];
  const output = [...gaps, '-t', '60', '-g', '30', '-flush_packets', '1', '-method', 'PUT', `${server.url}/live/${key}`];
  const child = spawn('ffmpeg', [...quiet, ...input, ...RECIPES[kind], '-cluster_time_limit', '100', ...output]);
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  await live(server, key).catch((error) => Promise.reject(new Error(`${error.message}: ${said}`)));
}

/** Waits until the stream is listed as live, with its media known. */
export async function live(server, key) {
  await server.until(async () => {
    const { streams } = await server.json('/streams');
    return streams.some((stream) => stream.streamKey === key && stream.kind);
  });
}

/** That a body can be played from a keyframe to its end, and lacks no frame in between. */
export async function plays(body, source, format) {
  const played = await probe(body, format);
  assert.equal(played.complaints, '');
  assert.equal(played.first, 'K', 'the first picture is a keyframe');
  assert.ok(played.frames >= 20, `only ${played.frames} pictures`);
  assert.equal(played.frames, played.packets, 'every picture is decoded');
  if (source) assert.equal(played.frames, await framesFrom(source, played.from), 'no picture is missing');
  return played;
}
