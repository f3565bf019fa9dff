import { expect, test } from 'vitest';
import { loudness } from './level-meter.ts';

test('silence is nothing, full scale is everything, and half as loud is a tenth less', () => {
  expect(loudness(new Float32Array(64))).toBe(0);
  expect(loudness(new Float32Array(64).fill(1))).toBe(1);
  expect(loudness(new Float32Array(64).fill(0.5))).toBeCloseTo(0.9, 1);
});
