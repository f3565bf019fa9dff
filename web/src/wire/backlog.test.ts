import { expect, test } from 'vitest';
import { Backlog } from './backlog.ts';

test('an answer says that all before its question has arrived, and nothing after it', () => {
  const backlog = new Backlog();
  backlog.sent(1_000);
  backlog.asked(1, 0);
  backlog.sent(500);
  expect(backlog.bytes).toBe(1_500);
  expect(backlog.answered(1, 20)).toBe(true);
  expect(backlog.bytes).toBe(500);
});

test('late is what exceeds the fastest answer', () => {
  const backlog = new Backlog();
  backlog.asked(1, 0);
  backlog.answered(1, 80);
  backlog.asked(2, 1_000);
  expect(backlog.lateMs(1_080)).toBe(0);
  expect(backlog.lateMs(1_500)).toBe(420);
  backlog.answered(2, 1_500);
  expect(backlog.lateMs(9_000)).toBe(0);
});

test('a later answer settles the questions before it', () => {
  const backlog = new Backlog();
  backlog.asked(1, 0);
  backlog.sent(10);
  backlog.asked(2, 300);
  expect(backlog.answered(2, 350)).toBe(true);
  expect(backlog.lateMs(9_000)).toBe(0);
  expect(backlog.answered(1, 400)).toBe(false);
  expect(backlog.bytes).toBe(0);
});

test('questions are few, and a new connection owes nothing', () => {
  const backlog = new Backlog();
  expect(backlog.isProbeDue(0)).toBe(true);
  backlog.asked(1, 0);
  expect(backlog.isProbeDue(150)).toBe(false);
  expect(backlog.isProbeDue(200)).toBe(true);
  backlog.sent(99);
  backlog.reset();
  expect(backlog.bytes).toBe(0);
  expect(backlog.lateMs(10_000)).toBe(0);
});
