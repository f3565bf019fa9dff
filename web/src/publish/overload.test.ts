import { expect, test } from 'vitest';
import { BitrateLadder, mayMakePicture } from './overload.ts';

test('no picture is made while the last ones wait here or arrive late', () => {
  expect(mayMakePicture(0, 0)).toBe(true);
  expect(mayMakePicture(40_000, 0)).toBe(false);
  expect(mayMakePicture(0, 600)).toBe(false);
});

test('a socket that keeps up changes nothing', () => {
  const ladder = new BitrateLadder(2_500_000, 0);
  for (let now = 0; now < 300_000; now += 500) expect(ladder.judge(20_000, now)).toBe('go-on');
  expect(ladder.bitsPerSecond).toBe(2_500_000);
});

test('one and a half seconds waiting means less', () => {
  const ladder = new BitrateLadder(2_500_000, 0);
  expect(ladder.judge(400_000, 1_000)).toBe('go-on');
  expect(ladder.judge(480_000, 1_500)).toBe('less');
  expect(ladder.bitsPerSecond).toBe(1_500_000);
});

test('it never goes below what still shows a picture', () => {
  const ladder = new BitrateLadder(400_000, 0);
  for (let i = 0; i < 20; i++) ladder.judge(10_000_000, i * 1_000);
  expect(ladder.bitsPerSecond).toBe(150_000);
});

test('after a long calm more is tried, up to what was asked for', () => {
  const ladder = new BitrateLadder(1_000_000, 0);
  ladder.judge(1_000_000, 0);
  expect(ladder.judge(0, 30_000)).toBe('go-on');
  expect(ladder.judge(0, 46_000)).toBe('more');
  expect(ladder.bitsPerSecond).toBe(840_000);
  expect(ladder.judge(0, 92_000)).toBe('more');
  expect(ladder.bitsPerSecond).toBe(1_000_000);
  expect(ladder.judge(0, 500_000)).toBe('go-on');
});

test('a new recorder waits until the old bytes are gone', () => {
  const ladder = new BitrateLadder(1_000_000, 0);
  expect(ladder.hasDrained(100_000)).toBe(false);
  expect(ladder.hasDrained(10_000)).toBe(true);
});
