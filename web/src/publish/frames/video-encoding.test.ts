import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { VideoEncoding } from './video-encoding.ts';

/** Encoders whose trials end when the test says so. */
class FakeEncoder {
  static made: FakeEncoder[] = [];
  static isConfigSupported = async () => ({ supported: true });
  state = 'unconfigured';
  config: VideoEncoderConfig | undefined;
  encoded = 0;
  endTrial = () => {};
  readonly #init: VideoEncoderInit;

  constructor(init: VideoEncoderInit) {
    this.#init = init;
    FakeEncoder.made.push(this);
  }

  configure(config: VideoEncoderConfig): void {
    this.config = config;
    this.state = 'configured';
  }

  encode(): void {
    this.encoded += 1;
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.endTrial = () => {
        this.#init.output({ type: 'key', byteLength: 9 } as EncodedVideoChunk);
        resolve();
      };
    });
  }

  close(): void {
    this.state = 'closed';
  }
}

const LIMITS = { width: 1280, height: 720, framesPerSecond: 30, bitsPerSecond: 2_000_000 };
let unclosed = 0;

function picture(width: number, height: number): VideoFrame {
  unclosed += 1;
  return { displayWidth: width, displayHeight: height, close: () => --unclosed } as unknown as VideoFrame;
}

const made = async (count: number): Promise<FakeEncoder> => {
  await vi.waitFor(() => expect(FakeEncoder.made).toHaveLength(count));
  return FakeEncoder.made[count - 1] as FakeEncoder;
};

beforeEach(() => {
  FakeEncoder.made = [];
  unclosed = 0;
  vi.stubGlobal('VideoEncoder', FakeEncoder);
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      getContext() {}
    },
  );
  vi.stubGlobal(
    'VideoFrame',
    class {
      close() {}
    },
  );
});

afterEach(() => vi.unstubAllGlobals());

test('a source that changes its size while codecs are tried is encoded at the size that it has then', async () => {
  const host = { track: vi.fn(), chunk: vi.fn(), unable: vi.fn() };
  const encoding = new VideoEncoding(LIMITS, host);
  expect(encoding.take(picture(640, 480), 0)).toBe(false);
  const first = await made(1);
  expect(encoding.take(picture(480, 640), 33)).toBe(false);
  first.endTrial();
  const second = await made(2);
  expect(second.config).toMatchObject({ width: 480, height: 640 });
  expect(encoding.take(picture(480, 640), 66)).toBe(false);
  second.endTrial();
  const used = await made(3);
  expect(used.config).toMatchObject({ width: 480, height: 640, codec: 'avc1.42E01F' });
  expect(encoding.take(picture(480, 640), 99)).toBe(true);
  expect(used.encoded).toBe(1);
  expect(host.unable).not.toHaveBeenCalled();
  expect(unclosed).toBe(0);
});

test('a trial that ends after the stream has ended begins nothing', async () => {
  const encoding = new VideoEncoding(LIMITS, { track: vi.fn(), chunk: vi.fn(), unable: vi.fn() });
  encoding.take(picture(640, 480), 0);
  const trial = await made(1);
  encoding.close();
  trial.endTrial();
  await vi.waitFor(() => expect(trial.state).toBe('closed'));
  expect(FakeEncoder.made).toHaveLength(1);
});
