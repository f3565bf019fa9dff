import { expect, test } from 'vitest';
import { quality } from './quality.ts';

const fine = { shownPerSecond: 10, arrivedPerSecond: 10, recentStalls: 0, delayMs: 120, bufferMs: 40 };

test.each([
  ['all that comes is shown in time', 'good', {}],
  [
    'where arrivals cannot be counted, the picture rate does not matter',
    'good',
    { arrivedPerSecond: undefined, shownPerSecond: 3 },
  ],
  ['every fifth picture is missing', 'fair', { shownPerSecond: 8 }],
  ['half of the pictures are missing', 'poor', { shownPerSecond: 5 }],
  ['one stand-still', 'fair', { recentStalls: 1 }],
  ['many stand-stills', 'poor', { recentStalls: 3 }],
  ['far later than the buffer explains', 'fair', { delayMs: 1_500 }],
  ['nothing is shown', 'unknown', { shownPerSecond: 0 }],
])('%s: %s', (_name, word, change) => {
  expect(quality({ ...fine, ...change })).toBe(word);
});
