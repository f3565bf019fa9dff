import { afterEach, expect, test, vi } from 'vitest';
import type { ToSoundRing } from './messages.ts';
import { SoundDecoding } from './sound-decoding.ts';

/** Counts samples from the first packet's time, as Chromium's does. */
class CountingDecoder {
  static readonly made: CountingDecoder[] = [];
  state = 'unconfigured';
  decodeQueueSize = 0;
  #time: number | undefined;
  readonly #output: (data: object) => void;

  constructor({ output }: { output: (data: object) => void }) {
    this.#output = output;
    CountingDecoder.made.push(this);
  }

  configure(): void {
    this.state = 'configured';
  }

  decode({ timestamp, duration }: { timestamp: number; duration: number }): void {
    this.#time ??= timestamp;
    this.#output({
      timestamp: this.#time,
      sampleRate: 48_000,
      numberOfFrames: 960,
      numberOfChannels: 1,
      copyTo() {},
      close() {},
    });
    this.#time += duration;
  }

  async flush(): Promise<void> {}

  close(): void {
    this.state = 'closed';
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  CountingDecoder.made.length = 0;
});

function play(times: readonly number[]): number[] {
  vi.stubGlobal('AudioDecoder', CountingDecoder);
  vi.stubGlobal(
    'EncodedAudioChunk',
    class {
      constructor(init: object) {
        Object.assign(this, init);
      }
    },
  );
  const heard: number[] = [];
  const decoding = new SoundDecoding(
    { track: 1, kind: 'audio', codec: 'opus', sampleRate: 48_000, channels: 1 },
    () => {},
  );
  decoding.port = {
    postMessage: (message: ToSoundRing) => message.type === 'samples' && heard.push(message.timeMs),
    close() {},
  } as unknown as MessagePort;
  const payload = new Uint8Array(1);
  for (const timestamp of times) {
    decoding.take({
      track: 1,
      isKeyframe: true,
      isAfterGap: false,
      sequence: 0,
      duration: 20_000,
      timestamp,
      capturedAt: 0,
      payload,
    });
  }
  return heard;
}

test('sound after a gap, forward or back, has its own time', async () => {
  expect(play([0, 20_000, 40_000, 1_000_000, 1_020_000, 500_000])).toEqual([0, 20, 40, 1_000, 1_020, 500]);
  await vi.waitFor(() =>
    expect(CountingDecoder.made.map(({ state }) => state)).toEqual(['closed', 'closed', 'configured']),
  );
});

test('times that jitter are played without a seam, by one decoder', () => {
  expect(play([0, 25_000, 38_000, 61_000])).toEqual([0, 20, 40, 60]);
  expect(CountingDecoder.made).toHaveLength(1);
});
