import { expect, test } from 'vitest';
import { type PeerSending, Uplink } from './uplink.ts';

const peer = (id: string, more: Partial<PeerSending> = {}): PeerSending => ({
  id,
  connectedAt: 0,
  bitsPerSecond: 300_000,
  wantedBitsPerSecond: 2_500_000,
  isLimited: true,
  ...more,
});

test('a connection that still feels its way says nothing about the uplink', () => {
  const uplink = new Uplink();
  for (let now = 0; now <= 8_000; now += 500) expect(uplink.carries([peer('a')], now)).toBe(true);
});

test('held back for three seconds is full, held back for a moment is not', () => {
  const uplink = new Uplink();
  expect(uplink.carries([peer('a')], 9_000)).toBe(true);
  expect(uplink.carries([peer('a', { isLimited: false })], 10_000)).toBe(true);
  expect(uplink.carries([peer('a')], 11_000)).toBe(true);
  expect(uplink.carries([peer('a')], 13_900)).toBe(true);
  expect(uplink.carries([peer('a')], 14_000)).toBe(false);
  expect(uplink.carries([peer('a')], 14_500)).toBe(true);
});

test('one bad line among many good ones is that viewer’s own', () => {
  const uplink = new Uplink();
  const good = ['b', 'c'].map((id) => peer(id, { bitsPerSecond: 2_400_000, isLimited: false }));
  for (let now = 9_000; now < 30_000; now += 1_000) expect(uplink.carries([peer('a'), ...good], now)).toBe(true);
});

test('when the way to the server has to send less, peers are too many; without peers they are not', () => {
  const uplink = new Uplink();
  uplink.centralChanged('lowered');
  expect(uplink.carries([], 0)).toBe(true);
  expect(uplink.carries([peer('a', { isLimited: false })], 0)).toBe(false);
  expect(uplink.carries([peer('a', { isLimited: false })], 1)).toBe(true);
});
