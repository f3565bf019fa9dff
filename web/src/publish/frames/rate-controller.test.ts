import { expect, test } from 'vitest';
import { RateController } from './rate-controller.ts';

const NOMINAL = 2_000_000;
const CALM = { waitingBytes: 0, lateMs: 0 };
const FULL = { waitingBytes: 200_000, lateMs: 0 };
const FRAME_MS = 33;

/** Asks once a frame for so long; gives back the time after it. */
function run(rate: RateController, pressure: typeof CALM, from: number, ms: number): number {
  let now = from;
  for (; now < from + ms; now += FRAME_MS) rate.judge(pressure, now);
  return now;
}

test('nothing is left out while less than a tenth of a second waits', () => {
  const rate = new RateController(NOMINAL);
  expect(rate.judge({ waitingBytes: 24_999, lateMs: 0 }, 0)).toEqual({ skip: false });
  expect(rate.judge({ waitingBytes: 25_001, lateMs: 0 }, 33)).toEqual({ skip: true });
});

test('a frame or two left out after a keyframe do not lower the bitrate', () => {
  const rate = new RateController(NOMINAL);
  rate.judge(FULL, 0);
  rate.judge(FULL, 33);
  expect(rate.bitsPerSecond).toBe(NOMINAL);
});

test('pressure that stays lowers it step by step, never below the least', () => {
  const rate = new RateController(NOMINAL);
  let now = run(rate, FULL, 0, 200);
  expect(rate.bitsPerSecond).toBe(1_400_000);
  now = run(rate, FULL, now, 1_500);
  expect(rate.bitsPerSecond).toBe(980_000);
  run(rate, FULL, now, 60_000);
  expect(rate.bitsPerSecond).toBe(120_000);
});

test('what the system hides shows as lateness', () => {
  const rate = new RateController(NOMINAL);
  expect(rate.judge({ waitingBytes: 0, lateMs: 251 }, 0).skip).toBe(true);
});

test('after a calm while it climbs slowly to where it was and no higher', () => {
  const rate = new RateController(NOMINAL);
  let now = run(rate, FULL, 0, 200);
  now = run(rate, CALM, now, 7_000);
  expect(rate.bitsPerSecond).toBe(1_400_000);
  now = run(rate, CALM, now, 2_000);
  expect(rate.bitsPerSecond).toBe(1_540_000);
  run(rate, CALM, now, 20_000);
  expect(rate.bitsPerSecond).toBe(NOMINAL);
  expect(rate.isNominal).toBe(true);
});
