// The states of a player, and which one a situation is.
//
// Pure. The situation is what was heard last about each thing; the state is the one word that page, tests and styles go by.

import { CONNECTION, type ConnectionState } from '../wire/connection-state.ts';

export const PLAYER = {
  /** Nothing to watch yet. */
  idle: 'idle',
  connecting: 'connecting',
  /** Joined, but no picture has come. */
  waiting: 'waiting',
  playing: 'playing',
  paused: 'paused',
  /** The publisher was cut off and may come back. */
  lost: 'lost',
  reconnecting: 'reconnecting',
  ended: 'ended',
  notFound: 'not-found',
  unplayable: 'unplayable',
} as const;
export type PlayerState = (typeof PLAYER)[keyof typeof PLAYER];

export interface Situation {
  connection: ConnectionState;
  /** What became of the wish to join. */
  join: 'none' | 'asked' | 'joined' | 'refused';
  /** Whether this viewer has been in before: then a cut is a reconnection. */
  wasJoined: boolean;
  hasEnded: boolean;
  isPaused: boolean;
  isPublisherLost: boolean;
  hasPicture: boolean;
  hasFailed: boolean;
}

export const NOTHING: Situation = {
  connection: CONNECTION.connecting,
  join: 'none',
  wasJoined: false,
  hasEnded: false,
  isPaused: false,
  isPublisherLost: false,
  hasPicture: false,
  hasFailed: false,
};

export function playerState(situation: Situation): PlayerState {
  if (situation.join === 'none') return PLAYER.idle;
  if (situation.join === 'refused') return situation.wasJoined ? PLAYER.ended : PLAYER.notFound;
  if (situation.hasEnded) return PLAYER.ended;
  if (situation.hasFailed) return PLAYER.unplayable;
  if (situation.connection !== CONNECTION.online) return situation.wasJoined ? PLAYER.reconnecting : PLAYER.connecting;
  if (situation.join === 'asked') return situation.wasJoined ? PLAYER.reconnecting : PLAYER.connecting;
  if (situation.isPublisherLost) return PLAYER.lost;
  if (situation.isPaused) return PLAYER.paused;
  return situation.hasPicture ? PLAYER.playing : PLAYER.waiting;
}
