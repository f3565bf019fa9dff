import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';

test('waits double up to a limit, and no two clients need wait alike', () => {
  const longest = new Backoff(() => 1);
  expect(Array.from({ length: 8 }, () => longest.next())).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  const shortest = new Backoff(() => 0);
  expect(Array.from({ length: 3 }, () => shortest.next())).toEqual([125, 250, 500]);
});

test('after a success the next cut is met quickly again', () => {
  const backoff = new Backoff(() => 1);
  backoff.next();
  backoff.next();
  backoff.succeeded();
  expect(backoff.next()).toBe(250);
});

test('what the server asks for is never undercut', () => {
  expect(new Backoff(() => 0).asked(2_000)).toBe(2_000);
  expect(new Backoff(() => 1).asked(2_000)).toBe(2_500);
});
