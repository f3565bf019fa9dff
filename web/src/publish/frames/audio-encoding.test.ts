import { afterEach, expect, test, vi } from 'vitest';
import { AudioEncoding } from './audio-encoding.ts';

/** Counts samples from the first data's time, as Chromium's does, and gives a packet for 20 ms of it. */
class CountingEncoder {
  state = 'configured';
  #time: number | undefined;
  #inside = 0;
  readonly #output: (chunk: object) => void;

  constructor({ output }: { output: (chunk: object) => void }) {
    this.#output = output;
  }

  configure(): void {}

  encode({ timestamp, duration }: AudioData): void {
    this.#time ??= timestamp;
    this.#inside += duration;
    if (this.#inside < 20_000) return;
    this.#output({ timestamp: this.#time, duration: 20_000 });
    this.#time += 20_000;
    this.#inside -= 20_000;
  }

  close(): void {
    this.state = 'closed';
  }
}

afterEach(() => vi.unstubAllGlobals());

function encode(times: readonly number[]): number[] {
  vi.stubGlobal('AudioEncoder', CountingEncoder);
  const packets: number[] = [];
  const unable = vi.fn();
  const encoding = new AudioEncoding({ track() {}, chunk: (_, time) => packets.push(Math.round(time)), unable });
  for (const timestamp of times) {
    const data = {
      timestamp,
      duration: 10_000,
      sampleRate: 48_000,
      numberOfFrames: 480,
      numberOfChannels: 1,
      close() {},
    };
    encoding.take(data as unknown as AudioData);
  }
  expect(unable).not.toHaveBeenCalled();
  return packets;
}

test('packets after a sound card stood still have the time of their data', () => {
  expect(encode([0, 10_000, 20_000, 30_000, 440_000, 450_000, 460_000, 470_000])).toEqual([
    0, 20_000, 440_000, 460_000,
  ]);
});

test('times of data that jitter make no gap', () => {
  expect(encode([0, 12_000, 19_000, 35_000])).toEqual([0, 20_000]);
});
