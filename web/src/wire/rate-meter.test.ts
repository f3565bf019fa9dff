import { expect, test } from 'vitest';
import { RateMeter } from './rate-meter.ts';

test('an even flow has its rate', () => {
  const meter = new RateMeter();
  for (let at = 0; at < 5_000; at += 100) meter.add(at, 50);
  expect(meter.perSecond(5_000)).toBeCloseTo(500, -1);
});

test('a flow that stopped is zero after the window', () => {
  const meter = new RateMeter();
  meter.add(0);
  expect(meter.perSecond(10_000)).toBe(0);
});

test('the first event does not make a rate without bound', () => {
  const meter = new RateMeter();
  meter.add(0);
  expect(meter.perSecond(1)).toBe(1);
});
