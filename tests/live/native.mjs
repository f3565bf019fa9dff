// A publisher and a viewer at the native door, over the `ws` package: what goes in was encoded by ffmpeg, what comes out
// is decoded by it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws');
const run = promisify(execFile);
const quiet = ['-hide_banner', '-loglevel', 'error'];
const source = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30'];
/** It ends a test that would hang, and times none. */
const PATIENCE_MS = 30_000;

/** Frames of VP8, with a keyframe every ten. */
export async function vp8(count = 60) {
  const args = [...quiet, ...source, '-frames:v', `${count}`, '-c:v', 'libvpx', '-deadline', 'realtime', '-g', '10', '-f', 'ivf', 'pipe:1'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 << 20 });
  const frames = [];
  for (let at = 32; at < stdout.length; ) {
    const length = stdout.readUInt32LE(at);
    const payload = stdout.subarray(at + 12, at + 12 + length);
    frames.push({ payload, keyframe: (payload[0] & 1) === 0 });
    at += 12 + length;
  }
  return frames;
}

/** Pictures of H.264 as Annex B, with a keyframe every ten. */
export async function h264(count = 60) {
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-g', '10'];
  const args = [...quiet, ...source, '-pix_fmt', 'yuv420p', '-frames:v', `${count}`, ...x264, '-x264-params', 'aud=1:slices=1', '-f', 'h264', 'pipe:1'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 << 20 });
  const delimiter = Buffer.from([0, 0, 0, 1, 9]);
  const frames = [];
  for (let at = 0; at >= 0; ) {
    const next = stdout.indexOf(delimiter, at + 1);
    const payload = stdout.subarray(at, next < 0 ? undefined : next);
    frames.push({ payload, keyframe: payload.includes(Buffer.from([0, 0, 1, 0x65])) });
    at = next;
  }
  return frames;
}

/** Puts the pictures of a track into a file for the judge: its bytes, and what ffmpeg calls its format. */
export function judged({ codec, description }, frames) {
  const [, kind] = /^(vp8|vp09|av01|avc1|avc3|hvc1|hev1|jpeg)/.exec(codec) ?? assert.fail(`nothing for ${codec}`);
  if (kind === 'jpeg') return { format: 'mjpeg', bytes: Buffer.concat(frames.map(({ payload }) => payload)) };
  const fourcc = { vp8: 'VP80', vp09: 'VP90', av01: 'AV01' }[kind];
  if (fourcc) return { format: 'ivf', bytes: ivf(frames, fourcc) };
  const record = Buffer.from(description, 'base64');
  const { lengthBytes, sets } = kind.startsWith('avc') ? avcRecord(record) : hevcRecord(record);
  const units = [...sets, ...frames.flatMap(({ payload }) => unitsOf(payload, lengthBytes))];
  const format = kind.startsWith('avc') ? 'h264' : 'hevc';
  return { format, bytes: Buffer.concat(units.flatMap((unit) => [Buffer.from([0, 0, 0, 1]), unit])) };
}

/** The units of a picture, each behind its length; nothing is left over. */
function unitsOf(payload, lengthBytes) {
  const units = [];
  for (let at = 0; at < payload.length; ) {
    const length = payload.readUIntBE(at, lengthBytes);
    at += lengthBytes + length;
    assert.ok(at <= payload.length, 'a unit is longer than its picture');
    units.push(payload.subarray(at - length, at));
  }
  return units;
}

/** What an `AVCDecoderConfigurationRecord` says. */
function avcRecord(record) {
  const sets = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    for (let left = record[at++] & mask; left > 0; left--) at = take(record, at, sets);
  }
  return { lengthBytes: (record[4] & 3) + 1, sets };
}

/** What an `HEVCDecoderConfigurationRecord` says. */
function hevcRecord(record) {
  const sets = [];
  let at = 23;
  for (let arrays = record[22]; arrays > 0; arrays--) {
    const count = record.readUInt16BE(at + 1);
    at += 3;
    for (let left = count; left > 0; left--) at = take(record, at, sets);
  }
  return { lengthBytes: (record[21] & 3) + 1, sets };
}

/** Takes one unit behind 16 bits of its length, and says where the next begins. */
function take(record, at, sets) {
  const end = at + 2 + record.readUInt16BE(at);
  sets.push(record.subarray(at + 2, end));
  return end;
}

/** Puts frames of VP8, VP9 or AV1 into a file for the judge. */
export function ivf(frames, fourcc = 'VP80') {
  const head = Buffer.alloc(32);
  head.write('DKIF', 0);
  head.writeUInt16LE(32, 6);
  head.write(fourcc, 8);
  head.writeUInt16LE(160, 12);
  head.writeUInt16LE(120, 14);
  head.writeUInt32LE(1_000_000, 16);
  head.writeUInt32LE(1, 20);
  const parts = [head];
  for (const { payload, timestamp } of frames) {
    const before = Buffer.alloc(12);
    before.writeUInt32LE(payload.length, 0);
    before.writeBigUInt64LE(timestamp, 4);
    parts.push(before, payload);
  }
  return Buffer.concat(parts);
}

/** A WebSocket to the native door, with everything that came. */
export class Native {
  static async open(server, key, protocol, first) {
    const native = new Native();
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live/${key}`, protocol ? [protocol] : undefined);
    Object.assign(native, { socket, texts: [], frames: [], waiting: new Set(), closed: null });
    socket.on('message', (data, isBinary) => {
      if (isBinary) native.frames.push(Native.split(data));
      else native.texts.push(JSON.parse(data.toString()));
      native.look();
    });
    socket.on('close', (code, reason) => {
      native.closed = { code, reason: reason.toString() };
      native.look();
    });
    socket.on('error', (error) => (native.error = error));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    if (first) native.say(first);
    return native;
  }

  static publish(server, key, more = {}) {
    return Native.open(server, key, 'abanico.publish.v1', { type: 'publish', ...more });
  }

  static watch(server, key, more = {}) {
    return Native.open(server, key, 'abanico.watch.v1', { type: 'watch', ...more });
  }

  static split(message) {
    return {
      kind: message.readUInt8(0),
      track: message.readUInt8(1),
      keyframe: (message.readUInt16BE(2) & 1) !== 0,
      gap: (message.readUInt16BE(2) & 2) !== 0,
      sequence: message.readUInt32BE(4),
      duration: message.readUInt32BE(8),
      timestamp: message.readBigInt64BE(12),
      captured: message.readBigInt64BE(20),
      payload: message.subarray(28),
    };
  }

  say(words) {
    this.socket.send(JSON.stringify(words));
  }

  frame({ payload, keyframe }, timestamp, { track = 0, captured = 0n, duration = 33_333 } = {}) {
    const header = Buffer.alloc(28);
    header.writeUInt8(1, 0);
    header.writeUInt8(track, 1);
    header.writeUInt16BE(keyframe ? 1 : 0, 2);
    header.writeUInt32BE(duration, 8);
    header.writeBigInt64BE(BigInt(timestamp), 12);
    header.writeBigInt64BE(captured, 20);
    this.socket.send(Buffer.concat([header, payload]));
  }

  /** All frames, from a time on. */
  send(frames, from = 0) {
    frames.forEach((frame, n) => this.frame(frame, from + n * 33_333));
  }

  look() {
    for (const one of this.waiting) one();
  }

  /** Waits until something is so. */
  until(what, why = 'something came', patienceMs = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`waited in vain until ${why}: ${JSON.stringify(this.texts)}, ${this.frames.length} frames, ${JSON.stringify(this.closed)}`));
      }, patienceMs);
      const look = () => {
        const found = what();
        if (!found) return;
        clearTimeout(patience);
        this.waiting.delete(look);
        resolve(found);
      };
      this.waiting.add(look);
      look();
    });
  }

  heard(type) {
    return this.until(() => this.texts.find((one) => one.type === type), `it heard ${type}`);
  }

  got(count) {
    return this.until(() => this.frames.length >= count, `it got ${count} frames`);
  }

  ended() {
    return this.until(() => this.closed, 'it was closed');
  }

  close() {
    this.socket.terminate();
  }
}
