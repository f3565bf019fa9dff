import { expect, test } from 'vitest';
import { Timeline } from './timeline.ts';

test('the earliest arrival tells the relation of the clocks', () => {
  const timeline = new Timeline();
  timeline.observe(0, 1_020_000);
  expect(timeline.place(0)).toBe(1_020_000);
  timeline.observe(33_333, 1_040_000);
  expect(timeline.place(33_333)).toBe(1_040_000);
  timeline.observe(66_666, 1_090_000);
  expect(timeline.place(66_666)).toBeCloseTo(1_073_333, -2);
});

test('times never stand still and never go back', () => {
  const timeline = new Timeline();
  timeline.observe(0, 500_000);
  const first = timeline.place(0);
  timeline.observe(10_000, 200_000);
  expect(timeline.place(10_000)).toBeGreaterThan(first);
  expect(timeline.place(10_000)).toBe(first + 2);
});

test('a source that slept goes on where the local clock is', () => {
  const timeline = new Timeline();
  timeline.observe(0, 1_000_000);
  timeline.observe(33_333, 9_000_000);
  expect(timeline.place(33_333)).toBe(9_000_000);
});

test('a clock that stood still for a moment is followed within ten seconds, late arrivals are not', () => {
  const timeline = new Timeline();
  for (let time = 0; time < 13_000_000; time += 20_000) {
    timeline.observe(time, time + (time % 1_500_000 === 0 && time > 0 ? 300_000 : 0));
    expect(Math.abs(timeline.place(time) - time)).toBeLessThan(1_000);
  }
  for (let time = 13_000_000; time < 23_000_000; time += 20_000) timeline.observe(time, time + 200_000);
  expect(timeline.place(23_000_000)).toBe(23_200_000);
});

test('a sound card that is slow by a ten-thousandth is followed', () => {
  const timeline = new Timeline();
  let placed = 0;
  let arrival = 0;
  for (let i = 0; i < 60_000; i++) {
    arrival = i * 10_001;
    timeline.observe(i * 10_000, arrival);
    placed = timeline.place(i * 10_000);
  }
  expect(arrival - placed).toBeLessThan(10_000);
});
