import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Frame } from '../../native/frame.ts';
import { type Decoded, type DecodingHost, VideoDecoding } from './video-decoding.ts';

interface Chunk {
  timestamp: number;
}

/** Pictures that are not closed: what a browser has few of. */
const open = new Set<number>();

class FakeDecoder {
  static newest: FakeDecoder;
  static isConfigSupported = async () => ({ supported: true });
  state = 'unconfigured';
  given: Chunk[] = [];
  readonly #init: VideoDecoderInit;

  constructor(init: VideoDecoderInit) {
    this.#init = init;
    FakeDecoder.newest = this;
  }

  configure(): void {
    this.state = 'configured';
  }

  decode(chunk: Chunk): void {
    this.given.push(chunk);
  }

  reset(): void {
    this.given = [];
    this.state = 'unconfigured';
  }

  close(): void {
    this.state = 'closed';
  }

  /** Puts out so many of what it was given. */
  turn(count: number): void {
    for (const { timestamp } of this.given.splice(0, count)) {
      open.add(timestamp);
      this.#init.output({ timestamp, close: () => open.delete(timestamp) } as unknown as VideoFrame);
    }
  }

  fail(): void {
    this.#init.error(new DOMException('broken', 'EncodingError'));
  }
}

const track = { track: 0, kind: 'video', codec: 'avc1.42E01F' } as const;

function frame(number: number, isKeyframe = false, payload = new Uint8Array(1)): Frame {
  const isAfterGap = false;
  return { track: 0, isKeyframe, isAfterGap, sequence: number, duration: 0, timestamp: number, capturedAt: 0, payload };
}

async function decoding(isAwaited = true) {
  const shown: Decoded[] = [];
  const host = {
    decoded: (decoded: Decoded) => shown.push(decoded),
    lost: vi.fn(),
    failed: vi.fn(),
    waiting: () => shown.length,
    overdueMs: () => 0,
  } satisfies DecodingHost;
  const made = new VideoDecoding(track, host);
  if (isAwaited) await vi.waitFor(() => expect(FakeDecoder.newest?.state).toBe('configured'));
  return { made, host, shown, decoder: FakeDecoder.newest };
}

beforeEach(() => {
  open.clear();
  FakeDecoder.isConfigSupported = async () => ({ supported: true });
  (FakeDecoder as { newest: unknown }).newest = undefined;
  vi.stubGlobal('VideoDecoder', FakeDecoder);
  vi.stubGlobal(
    'EncodedVideoChunk',
    class {
      readonly timestamp: number;
      constructor({ timestamp }: Chunk) {
        this.timestamp = timestamp;
      }
    },
  );
});

afterEach(() => vi.unstubAllGlobals());

test('never more pictures are out than a decoder has, and those that are let go make room', async () => {
  const { made, shown, decoder } = await decoding();
  for (let i = 0; i < 40; i++) {
    made.take(frame(i, i === 0), 0);
    decoder.turn(1);
  }
  expect(open.size).toBe(8);
  for (let i = 0; i < 40; i++) {
    const [first] = shown.splice(0, 1);
    first?.image.close();
    made.pump();
    decoder.turn(1);
  }
  for (const { image } of shown) image.close();
  expect(open.size).toBe(0);
  expect(decoder.given).toHaveLength(0);
});

/** A frame of thirty a second. */
const inTime = (number: number) => ({ ...frame(number, number === 0), timestamp: Math.round((number * 1e6) / 30) });

/** When each of a group's 250 frames comes, ms. */
const AT_ONCE = (number: number) => number / 100;
const PAUSED = (number: number) => number / 100 + (number < 2 ? 0 : 2_000);
const PAUSED_TWICE = (number: number) => number / 100 + (number < 100 ? 0 : 1_700) + (number < 150 ? 0 : 1_700);

for (const [when, isAwaited, comes] of [
  ['before the decoder is ready', false, AT_ONCE],
  ['in one burst', true, AT_ONCE],
  ['in a burst that stops for two seconds', true, PAUSED],
  ['in a burst that stops twice', true, PAUSED_TWICE],
] as const) {
  test(`a long group that comes ${when} is decoded to its end, and so is what follows`, async () => {
    const { made, host, shown } = await decoding(isAwaited);
    const times: number[] = [];
    const decode = (frames: number) => {
      for (let n = 0; n < frames; n++) {
        FakeDecoder.newest.turn(1);
        for (const { image, timestamp } of shown.splice(0)) {
          times.push(timestamp);
          image.close();
        }
        made.pump();
      }
    };
    for (let i = 0; i < 250; i++) {
      // The decoder is three times as fast as the frames are made, also while none comes.
      if (i > 0 && comes(i) - comes(i - 1) > 1_000) decode(90);
      made.take(inTime(i), 1_000 + comes(i));
    }
    await vi.waitFor(() => expect(FakeDecoder.newest?.state).toBe('configured'));
    for (let i = 250; i < 500; i++) {
      made.take(inTime(i), 1_000 + comes(249) + ((i - 249) * 1_000) / 30);
      decode(3);
    }
    expect(host.lost).not.toHaveBeenCalled();
    expect(times).toHaveLength(500);
  });
}

test('a burst that stops for a moment is a burst', async () => {
  const { made, host } = await decoding();
  for (let i = 0; i < 250; i++) made.take(inTime(i), 1_000 + (i < 2 ? 0 : 300) + i / 100);
  expect(host.lost).not.toHaveBeenCalled();
});

test('a decoder that is slower than the frames come is given up for a keyframe, after a burst as well', async () => {
  const { made, host } = await decoding();
  for (let i = 0; i < 250; i++) made.take(inTime(i), 1_000);
  let live = 0;
  while (host.lost.mock.calls.length === 0 && live < 300) {
    live += 1;
    made.take(inTime(249 + live), 1_000 + (live * 1_000) / 30);
  }
  expect(live).toBeLessThan(140);
});

test('what waits is bounded in bytes', async () => {
  const { made, host } = await decoding(false);
  const payload = new Uint8Array(1 << 20);
  for (let i = 0; i < 33; i++) made.take(frame(i, i === 0, payload), 0);
  expect(host.lost).toHaveBeenCalledOnce();
});

test('what is closed before its codec is known makes no decoder', async () => {
  let answer = (_: { supported: boolean }) => {};
  FakeDecoder.isConfigSupported = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const { made, host } = await decoding(false);
  const before = FakeDecoder.newest;
  made.close();
  answer({ supported: true });
  await new Promise((done) => setTimeout(done));
  expect(FakeDecoder.newest).toBe(before);
  expect(host.failed).not.toHaveBeenCalled();
});

test('what comes out after a restart or a close is closed and not shown', async () => {
  const { made, shown, decoder } = await decoding();
  made.take(frame(0, true), 0);
  const late = decoder.given;
  made.restart();
  decoder.given = late;
  decoder.turn(1);
  made.take(frame(1, true), 0);
  made.close();
  decoder.turn(1);
  expect(shown).toHaveLength(0);
  expect(open.size).toBe(0);
});

test('a decoder that breaks in the middle is replaced, and a keyframe is wished', async () => {
  const { made, host, shown, decoder } = await decoding();
  made.take(frame(0, true), 0);
  decoder.turn(1);
  decoder.fail();
  expect(host.lost).toHaveBeenCalledOnce();
  await vi.waitFor(() => expect(FakeDecoder.newest).not.toBe(decoder));
  await vi.waitFor(() => expect(FakeDecoder.newest.state).toBe('configured'));
  made.take(frame(1, true), 0);
  FakeDecoder.newest.turn(1);
  expect(shown.map(({ timestamp }) => timestamp)).toEqual([0, 1]);
  expect(host.failed).not.toHaveBeenCalled();
});

test('decoders that break one after the other are given up', async () => {
  const { host } = await decoding();
  for (let i = 0; i < 3; i++) {
    const before = FakeDecoder.newest;
    before.fail();
    if (i < 2) await vi.waitFor(() => expect(FakeDecoder.newest).not.toBe(before));
  }
  expect(host.failed).toHaveBeenCalledExactlyOnceWith({ kind: 'broken' });
});
