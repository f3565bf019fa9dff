import { expect, test } from 'vitest';
import { ClockOffset } from './clock.ts';

test('the offset is zero until an answer came', () => {
  const clock = new ClockOffset();
  expect(clock.known).toBe(false);
  expect(clock.toServer(1_000)).toBe(1_000);
});

test('an answer taken half-way gives the exact offset', () => {
  const clock = new ClockOffset();
  clock.add(1_000, 1_040, 6_020);
  expect(clock.offset).toBe(5_000);
  expect(clock.roundTrip).toBe(40);
});

test('the shortest round trip wins over newer slow ones', () => {
  const clock = new ClockOffset();
  clock.add(1_000, 1_010, 6_005);
  clock.add(2_000, 2_900, 7_900);
  expect(clock.offset).toBe(5_000);
});

test('old answers are forgotten, because clocks drift', () => {
  const clock = new ClockOffset();
  clock.add(0, 2, 5_001);
  clock.add(200_000, 200_100, 206_050);
  expect(clock.offset).toBe(6_000);
});

test('nonsense is not taken', () => {
  const clock = new ClockOffset();
  clock.add(1_000, 900, 5_000);
  clock.add(1_000, 1_010, Number.NaN);
  expect(clock.known).toBe(false);
});
