import { expect, test } from 'vitest';
import { NOTHING, PLAYER, playerState, type Situation } from './player-state.ts';

const watching: Situation = { ...NOTHING, connection: 'online', join: 'joined', wasJoined: true, hasPicture: true };

test.each<[string, string, Partial<Situation>]>([
  ['a picture is playing', PLAYER.playing, {}],
  ['before the first picture it waits', PLAYER.waiting, { hasPicture: false }],
  ['a cut is a reconnection for those who were in', PLAYER.reconnecting, { connection: 'offline' }],
  ['joining again after a cut is still reconnecting', PLAYER.reconnecting, { join: 'asked' }],
  ['a first connection is connecting', PLAYER.connecting, { join: 'asked', wasJoined: false }],
  ['a lost publisher outweighs its pause', PLAYER.lost, { isPublisherLost: true, isPaused: true }],
  ['a pause is shown over the last picture', PLAYER.paused, { isPaused: true }],
  ['the end outweighs a cut', PLAYER.ended, { hasEnded: true, connection: 'offline' }],
  ['an unknown key is not found', PLAYER.notFound, { join: 'refused', wasJoined: false }],
  ['a key that is gone after a cut has ended', PLAYER.ended, { join: 'refused' }],
  ['a codec that cannot be played is said', PLAYER.unplayable, { hasFailed: true }],
])('%s', (_name, state, change) => {
  expect(playerState({ ...watching, ...change })).toBe(state);
});

test('nothing asked is idle', () => {
  expect(playerState(NOTHING)).toBe(PLAYER.idle);
});
