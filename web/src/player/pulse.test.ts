import { expect, test } from 'vitest';
import { Pulse } from './pulse.ts';

/** Pictures every `gap` ms from `from` on; gives back when the last was shown. */
function run(pulse: Pulse, from: number, count: number, gap = 33, ageMs?: number): number {
  for (let i = 0; i < count; i++) pulse.shown(from + i * gap, ageMs);
  return from + (count - 1) * gap;
}

test('a path is trusted with its third live picture', () => {
  const pulse = new Pulse();
  expect(pulse.isTrusted(run(pulse, 0, 2))).toBe(false);
  expect(pulse.isTrusted(run(pulse, 66, 1))).toBe(true);
});

test('a backlog that is caught up with does not count, a slow publisher does in the end', () => {
  const pulse = new Pulse();
  expect(pulse.isTrusted(run(pulse, 0, 20, 10, 900))).toBe(false);
  expect(pulse.isTrusted(run(pulse, 200, 3, 33, 60))).toBe(true);
  const slow = new Pulse();
  expect(slow.isTrusted(run(slow, 0, 60, 33, 4_000))).toBe(true);
});

test('thirty a second are missed soon, one a second is waited for', () => {
  const quick = new Pulse();
  const last = run(quick, 0, 30);
  expect(quick.isSilent(last + 390)).toBe(false);
  expect(quick.isSilent(last + 410)).toBe(true);
  const slow = new Pulse();
  expect(slow.isSilent(run(slow, 0, 5, 1_000) + 1_100)).toBe(false);
  expect(slow.isSilent(run(slow, 9_000, 5, 1_000) + 1_300)).toBe(true);
});

test('what fell silent must run for two seconds to be trusted again', () => {
  const pulse = new Pulse();
  run(pulse, 0, 30);
  expect(pulse.isTrusted(run(pulse, 3_000, 30))).toBe(false);
  expect(pulse.isTrusted(run(pulse, 4_000, 40))).toBe(true);
});

test('a rest is no silence', () => {
  const pulse = new Pulse();
  run(pulse, 0, 30);
  pulse.rest();
  expect(pulse.isSilent(60_000)).toBe(false);
  expect(pulse.isTrusted(run(pulse, 60_000, 1))).toBe(true);
});
