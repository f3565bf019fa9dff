import { expect, test } from 'vitest';
import { FrameBuffer, type Timed } from './frame-buffer.ts';

/** The publisher's clock is far from the viewer's. */
const CLOCK = 1_700_000_000_000;

function feed(buffer: FrameBuffer<Timed>, arrival: number, time: number): void {
  buffer.arrived(arrival, time);
  buffer.push({ arrival, time });
}

/** Plays `count` pictures at `everyMs` with the given lateness each; answers the gaps on screen and the skipped. */
function play(count: number, everyMs: number, lateness: (i: number) => number): { gaps: number[]; skipped: number } {
  const buffer = new FrameBuffer<Timed>();
  const arrivals = Array.from({ length: count }, (_, i) => i * everyMs + lateness(i));
  // A socket keeps the order: what is late holds up what comes after it.
  for (let i = 1; i < count; i++) arrivals[i] = Math.max(arrivals[i] ?? 0, arrivals[i - 1] ?? 0);
  const shown: number[] = [];
  let next = 0;
  for (let now = 0; now < count * everyMs + 1_000; now += 1_000 / 60) {
    while (next < count && (arrivals[next] ?? 0) <= now) {
      feed(buffer, arrivals[next] ?? 0, CLOCK + next * everyMs);
      next += 1;
    }
    if (buffer.take(now)) shown.push(now);
  }
  const gaps = shown.slice(1).map((at, i) => at - (shown[i] ?? 0));
  return { gaps, skipped: buffer.skipped };
}

/** A repeatable stand-in for chance, 0 to 1. */
function chance(seed: number): number {
  const x = Math.sin(seed * 12.9898) * 43_758.5453;
  return x - Math.floor(x);
}

test('an even stream is shown evenly and nothing is skipped', () => {
  const { gaps, skipped } = play(300, 33, () => 5);
  expect(skipped).toBe(0);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(50);
});

test('jitter up to 80 ms is hidden once it is known', () => {
  const { gaps, skipped } = play(600, 33, (i) => chance(i) * 80);
  expect(skipped).toBeLessThan(12);
  expect(Math.max(...gaps.slice(60))).toBeLessThanOrEqual(70);
});

test('the buffer grows to the jitter and not beyond', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 300; i++) buffer.arrived(i * 33 + chance(i) * 80, CLOCK + i * 33);
  expect(buffer.bufferMs).toBeGreaterThan(70);
  expect(buffer.bufferMs).toBeLessThan(95);
});

test('the buffer shrinks again when the network calms down', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 100; i++) buffer.arrived(i * 33 + chance(i) * 150, CLOCK + i * 33);
  const before = buffer.bufferMs;
  for (let i = 100; i < 1_200; i++) buffer.arrived(i * 33, CLOCK + i * 33);
  expect(before).toBeGreaterThan(100);
  expect(buffer.bufferMs).toBeLessThan(20);
});

test('no stall makes the buffer longer than its bound', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 60; i++) buffer.arrived(i * 33 + (i === 50 ? 3_000 : 0), CLOCK + i * 33);
  expect(buffer.bufferMs).toBeLessThanOrEqual(400);
});

test('of several that are due the newest is shown and the others are released and counted', () => {
  const released: number[] = [];
  const buffer = new FrameBuffer<Timed>((frame) => released.push(frame.time));
  for (let i = 0; i < 3; i++) feed(buffer, i, CLOCK + i);
  expect(buffer.take(5_000)?.time).toBe(CLOCK + 2);
  expect(released).toEqual([CLOCK, CLOCK + 1]);
  expect(buffer.skipped).toBe(2);
  expect(buffer.take(5_000)).toBeUndefined();
});

test('a picture that is not due waits', () => {
  const buffer = new FrameBuffer<Timed>();
  feed(buffer, 100, CLOCK);
  expect(buffer.take(101)).toBeUndefined();
  expect(buffer.take(140)?.time).toBe(CLOCK);
});

test('a page that comes back gets the newest and no backlog', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 10; i++) feed(buffer, i * 100, CLOCK + i * 100);
  expect(buffer.takeNewest()?.time).toBe(CLOCK + 900);
  expect(buffer.waiting).toBe(0);
});

test('what nobody takes does not pile up', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 500; i++) feed(buffer, i, CLOCK + i);
  expect(buffer.waiting).toBeLessThanOrEqual(24);
});

test('a publisher whose clock was set anew is shown without waiting for the old time', () => {
  const buffer = new FrameBuffer<Timed>();
  for (let i = 0; i < 10; i++) feed(buffer, i * 33, CLOCK + i * 33);
  buffer.takeNewest();
  feed(buffer, 400, CLOCK + 3_600_000);
  expect(buffer.take(900)?.time).toBe(CLOCK + 3_600_000);
});
