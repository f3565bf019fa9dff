import { expect, test } from 'vitest';
import { type Asker, PEERS_MAX, PeerPlaces, type PeerWish, type Step } from './peer-places.ts';

const wishing = (wish: PeerWish): Asker => ({ wish, name: undefined, central: 'sent' });
const ANYBODY = wishing(undefined);

const done = (steps: Step[], what: Step['do']) => steps.filter((step) => step.do === what).map(({ id }) => id);

/** So many viewers that were left to choose, all served. */
function served(count: number, max = PEERS_MAX): PeerPlaces {
  const places = new PeerPlaces('auto');
  places.max = max;
  for (let i = 0; i < count; i++) places.asked(`v${i}`, wishing('auto'), 0);
  for (let i = 0; i < count; i++) for (const { id } of places.steps(i, true)) places.connected(id, i);
  return places;
}

test('a request that comes before the picture is kept', () => {
  const places = new PeerPlaces('auto');
  places.asked('bob', ANYBODY, 0);
  expect(places.steps(100, false)).toEqual([]);
  expect(places.steps(20_000, true)).toEqual([{ do: 'begin', id: 'bob' }]);
});

test('who was answered before keeps its place, and without one is begun with if it asks only once', () => {
  const places = new PeerPlaces('auto');
  places.max = 1;
  places.asked('ann', ANYBODY, 0);
  places.steps(0, true);
  places.connected('ann', 1);
  expect(places.asked('ann', ANYBODY, 5_000, true)).toEqual([]);
  expect(places.asked('bob', ANYBODY, 5_000, true)).toEqual([]);
  expect(places.asked('cat', wishing('auto'), 5_000, true)).toEqual([]);
  expect(places.steps(5_000, true)).toEqual([{ do: 'begin', id: 'bob' }]);
});

test('those who were left to choose get as many places as there are, who insists gets one besides', () => {
  const places = new PeerPlaces('auto');
  places.max = 1;
  places.asked('ann', wishing('auto'), 0);
  places.asked('bob', wishing('auto'), 0);
  places.asked('cat', wishing('p2p'), 0);
  expect(done(places.steps(0, true), 'begin')).toEqual(['ann']);
  places.connected('ann', 0);
  expect(done(places.steps(0, true), 'begin')).toEqual(['cat']);
  places.connected('cat', 0);
  expect(places.steps(1, true)).toEqual([]);
  places.over('ann', 2);
  expect(done(places.steps(2, true), 'begin')).toEqual(['bob']);
});

test('one is begun after the other, with a pause that is as long as it took', () => {
  const places = new PeerPlaces('p2p');
  for (let i = 0; i < 4; i++) places.asked(`v${i}`, wishing('auto'), 0);
  const begun = (now: number) => done(places.steps(now, true), 'begin');
  expect(begun(0)).toEqual(['v0']);
  expect(begun(0)).toEqual([]);
  places.connected('v0', 80);
  expect(begun(159)).toEqual([]);
  expect(begun(160)).toEqual(['v1']);
  places.connected('v1', 1_060);
  expect(begun(1_959)).toEqual([]);
  expect(begun(1_960)).toEqual(['v2']);
});

test('one that takes long does not hold up the next', () => {
  const places = new PeerPlaces('p2p');
  for (let i = 0; i < 6; i++) places.asked(`v${i}`, wishing('auto'), 0);
  const begun = (now: number) => done(places.steps(now, true), 'begin');
  expect(begun(0)).toEqual(['v0']);
  expect(begun(999)).toEqual([]);
  expect([1_000, 2_000, 3_000].flatMap(begun)).toEqual(['v1', 'v2', 'v3']);
  expect(begun(3_500)).toEqual([]);
});

test('all go when the publisher wants the server, one after the other and the newest first, and may come back', () => {
  const places = served(5);
  places.delivery = 'central';
  const sent = (now: number) => done(places.steps(now, true), 'send-away');
  expect(sent(10)).toEqual(['v4']);
  expect(sent(11)).toEqual([]);
  places.over('v4', 110);
  expect(sent(209)).toEqual([]);
  expect(sent(210)).toEqual(['v3']);
  places.delivery = 'auto';
  expect(done(places.steps(211, true), 'begin')).toEqual(['v4']);
});

test('a page that knows no other way is served even then, who insists is refused', () => {
  const places = new PeerPlaces('central');
  places.asked('old', ANYBODY, 0);
  places.asked('new', wishing('p2p'), 0);
  expect(places.steps(0, true)).toEqual([
    { do: 'begin', id: 'old' },
    { do: 'refuse', id: 'new', reason: 'central' },
  ]);
});

test('beyond what a page can encode it refuses', () => {
  const places = served(PEERS_MAX);
  places.asked('one more', wishing('p2p'), 99);
  expect(places.steps(99, true)).toEqual([{ do: 'refuse', id: 'one more', reason: 'full' }]);
});

test('a question that crosses with its answer changes nothing, a later one begins anew', () => {
  const places = new PeerPlaces('auto');
  places.asked('bob', wishing('p2p'), 0);
  places.steps(0, true);
  expect(places.asked('bob', wishing('p2p'), 1_000)).toEqual([]);
  places.connected('bob', 1_100);
  expect(places.asked('bob', wishing('p2p'), 9_000)).toEqual([{ do: 'end', id: 'bob' }]);
  expect(done(places.steps(9_000, true), 'begin')).toEqual(['bob']);
});

test('who does not come and who does not go is given up', () => {
  const places = served(1);
  places.asked('bob', wishing('p2p'), 0);
  places.steps(0, true);
  places.delivery = 'central';
  expect(done(places.steps(1, true), 'send-away')).toEqual(['bob']);
  expect(done(places.steps(1_001, true), 'send-away')).toEqual(['v0']);
  expect(done(places.steps(7_100, true), 'end').sort()).toEqual(['bob', 'v0']);
  expect(places.all.map(({ id }) => id)).toEqual(['v0']);
});

test('who has gone from the stream is forgotten, also when it was on its way over to the server', () => {
  const places = served(2);
  places.delivery = 'central';
  expect(done(places.steps(1, true), 'send-away')).toEqual(['v1']);
  expect(done(places.steps(1_001, true), 'send-away')).toEqual(['v0']);
  places.delivery = 'auto';
  places.over('v1', 1_002);
  places.gone('v0');
  places.over('v0', 1_002);
  expect(done(places.steps(2_002, true), 'begin')).toEqual(['v1']);
});

test('while the uplink is full nobody new is taken who has a choice', () => {
  const places = served(2);
  places.uplinkFull(100);
  const newest = places.newest();
  expect(newest?.id).toBe('v1');
  if (newest) expect(places.sendAway(newest, 100)).toEqual({ do: 'send-away', id: 'v1' });
  places.over('v1', 200);
  expect(places.steps(20_000, true)).toEqual([]);
  expect(done(places.steps(31_000, true), 'begin')).toEqual(['v1']);
});
