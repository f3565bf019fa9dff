import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Answer, Knocking } from './knocking.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function knocking(answers: Answer[], isSeen = true) {
  const knocks: number[] = [];
  const begun = Date.now();
  const opened = vi.fn();
  const calledOff = vi.fn();
  const made = new Knocking(
    (answer) => {
      knocks.push(Date.now() - begun);
      const next = answers.shift();
      if (next) queueMicrotask(() => answer(next));
      return calledOff;
    },
    isSeen,
    opened,
  );
  return { made, knocks, opened, calledOff };
}

test('it knocks until the stream is there, and no longer', async () => {
  const { knocks, opened } = knocking(['not-yet', 'not-yet', 'there']);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(knocks).toHaveLength(3);
  expect(opened).toHaveBeenCalledOnce();
});

test('the waits grow to half a minute and never further', async () => {
  const { knocks } = knocking(Array.from({ length: 12 }, () => 'not-yet'));
  await vi.advanceTimersByTimeAsync(300_000);
  const waits = knocks.map((at, i) => at - (knocks[i - 1] ?? 0));
  expect(waits[0]).toBeGreaterThanOrEqual(2_500);
  expect(waits[0]).toBeLessThanOrEqual(5_000);
  for (const wait of waits.slice(3)) {
    expect(wait).toBeGreaterThanOrEqual(15_000);
    expect(wait).toBeLessThanOrEqual(30_000);
  }
});

test('unseen it asks nobody, and when it is seen it asks at once', async () => {
  const { made, knocks, opened } = knocking(['there'], false);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(knocks).toEqual([]);
  made.isSeen = true;
  await vi.advanceTimersByTimeAsync(0);
  expect(opened).toHaveBeenCalledOnce();
});

test('what is stopped asks no more, and calls off what it asked', async () => {
  const { made, knocks, calledOff } = knocking([]);
  await vi.advanceTimersByTimeAsync(5_000);
  made.stop();
  made.isSeen = true;
  await vi.advanceTimersByTimeAsync(200_000);
  expect(knocks).toHaveLength(1);
  expect(calledOff).toHaveBeenCalledOnce();
});

test('where there is no door it is not asked again', async () => {
  const { knocks, opened } = knocking(['never', 'there']);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(knocks).toHaveLength(1);
  expect(opened).not.toHaveBeenCalled();
});
