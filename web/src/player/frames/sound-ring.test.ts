import { expect, test } from 'vitest';
import { SoundRing } from './sound-ring.ts';

const RATE = 48_000;
/** 20 ms whose samples count up, so that it shows which were read. */
const run = (timeMs: number) => ({
  timeMs,
  sampleRate: RATE,
  channels: [Float32Array.from({ length: 960 }, (_, i) => (timeMs * RATE) / 1_000 + i)],
});

function read(ring: SoundRing, wanted: number, length = 128): Float32Array {
  const into = new Float32Array(length);
  ring.read([into], RATE, wanted);
  return into;
}

test('sound is played from the wished time on, without a seam between runs', () => {
  const ring = new SoundRing();
  for (const time of [0, 20, 40]) ring.push(run(time));
  const played = read(ring, 10, 1_440);
  expect(played[0]).toBeCloseTo(480, 1);
  for (let i = 1; i < 1_400; i++) expect((played[i] ?? 0) - (played[i - 1] ?? 0)).toBeLessThan(2.5);
  expect(played[1_439]).toBeGreaterThan(1_900);
});

test('what has not come is silence, and is said', () => {
  const ring = new SoundRing();
  ring.push(run(0));
  read(ring, 0, 960);
  expect(ring.hasPlayed).toBe(true);
  read(ring, 20);
  expect(read(ring, 23)[64]).toBe(0);
  expect(ring.hasPlayed).toBe(false);
});

test('a small difference is made up by playing a little faster, a large one by a jump', () => {
  const ring = new SoundRing();
  for (let time = 0; time < 2_000; time += 20) ring.push(run(time));
  read(ring, 0, 480);
  read(ring, 30, 480);
  expect(ring.position).toBeCloseTo(20.1, 1);
  read(ring, 500, 480);
  expect(ring.position).toBeCloseTo(510, 1);
});

test('the other channel of a mono track is the same', () => {
  const ring = new SoundRing();
  ring.push(run(0));
  const [left, right] = [new Float32Array(8), new Float32Array(8)];
  ring.read([left, right], RATE, 0);
  expect(right).toEqual(left);
});
