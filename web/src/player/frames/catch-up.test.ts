import { expect, test } from 'vitest';
import { CatchUp } from './catch-up.ts';

/** The verdicts on frames that were made 33 ms apart and came when it says. */
const verdicts = (catchUp: CatchUp, arrivals: readonly number[], from = 0) =>
  arrivals.map((arrival, i) => catchUp.isBacklog(arrival, from + i * 33));

test('a burst is a backlog until a frame takes its time', () => {
  expect(verdicts(new CatchUp(), [0, 1, 2, 3, 30, 63, 96])).toEqual([true, true, true, true, false, false, false]);
});

test('what comes in a lump later is the network’s doing', () => {
  expect(verdicts(new CatchUp(), [0, 33, 66, 200, 201, 202])).toEqual([true, false, false, false, false, false]);
});

test('after a skip another backlog comes', () => {
  const catchUp = new CatchUp();
  verdicts(catchUp, [0, 33, 66]);
  catchUp.restart();
  expect(verdicts(catchUp, [500, 501, 530], 400)).toEqual([true, true, false]);
});

test('a backlog that never ends is none', () => {
  const arrivals = Array.from({ length: 400 }, (_, i) => i * 5);
  expect(verdicts(new CatchUp(), arrivals).at(-1)).toBe(false);
});
