import { expect, test } from 'vitest';
import { PeerAsking, type Room } from './peer-asking.ts';

const room = (more: Partial<Room> = {}): Room => ({
  isLive: true,
  viewers: 3,
  peersMax: undefined,
  hasCentral: false,
  since: 0,
  ...more,
});

test('who insists asks at once, who wants the server never asks', () => {
  expect(new PeerAsking('p2p').isWanted(room({ peersMax: 0, hasCentral: true }), 0)).toBe(true);
  expect(new PeerAsking('central').isWanted(room({ peersMax: 9 }), 9_000)).toBe(false);
});

test('who is left to choose asks a publisher that offers, or that sends nothing through the server', () => {
  const asking = new PeerAsking('auto');
  expect(asking.isWanted(room({ peersMax: 2, hasCentral: true }), 0)).toBe(true);
  expect(asking.isWanted(room({ peersMax: 0 }), 9_000)).toBe(false);
  expect(asking.isWanted(room(), 900)).toBe(false);
  expect(asking.isWanted(room(), 1_100)).toBe(true);
  expect(asking.isWanted(room({ hasCentral: true }), 9_000)).toBe(false);
});

test('who wants the server alone misses what only the publisher sends', () => {
  const central = new PeerAsking('central');
  expect(central.isMissed(room(), 900)).toBe(false);
  expect(central.isMissed(room(), 1_100)).toBe(true);
  expect(central.isMissed(room({ hasCentral: true }), 9_000)).toBe(false);
  expect(central.isMissed(room({ peersMax: 0 }), 9_000)).toBe(false);
  expect(central.isMissed(room({ isLive: false }), 9_000)).toBe(false);
  expect(new PeerAsking('auto').isMissed(room(), 9_000)).toBe(false);
});

test('a crowd does not bury the publisher in questions', () => {
  expect(new PeerAsking('auto').isWanted(room({ peersMax: 2, viewers: 5_000 }), 0)).toBe(false);
});

test('a question is repeated, less often after a while', () => {
  const asking = new PeerAsking('p2p');
  let now = 0;
  let count = 0;
  for (; now < 60_000; now += 100) {
    if (!asking.isDue(now)) continue;
    asking.asked(now);
    count += 1;
  }
  expect(count).toBe(20);
});

test('what fails is tried ever less often, until something changes', () => {
  const asking = new PeerAsking('auto');
  const wait = () => {
    let ms = 0;
    while (!asking.isDue(ms)) ms += 100;
    return ms;
  };
  const waits = [];
  for (let i = 0; i < 6; i++) {
    asking.failed(0);
    waits.push(wait());
  }
  expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  asking.anew();
  expect(wait()).toBe(0);
});
