// What a player's states are called to a person, and what they have in common.

import type { TextKey } from '../i18n/es.ts';
import type { PathFailure } from '../player/path.ts';
import type { PeerState } from '../player/peer-watch.ts';
import { PLAYER, type PlayerState } from '../player/player-state.ts';

export const SAID: Partial<Record<PlayerState, { text: TextKey; hint?: TextKey }>> = {
  [PLAYER.connecting]: { text: 'player.connecting' },
  [PLAYER.waiting]: { text: 'player.waiting' },
  [PLAYER.paused]: { text: 'player.paused' },
  [PLAYER.lost]: { text: 'player.lost' },
  [PLAYER.reconnecting]: { text: 'player.reconnecting' },
  [PLAYER.ended]: { text: 'player.ended', hint: 'player.ended.hint' },
  [PLAYER.notFound]: { text: 'player.not-found', hint: 'player.not-found.hint' },
};

/** What is said below, while it waits for its first picture. */
export const PEER_SAID: Partial<Record<PeerState, TextKey>> = {
  missed: 'player.waiting.missed',
  asking: 'player.waiting.asking',
  connecting: 'player.waiting.connecting',
  refused: 'player.waiting.refused',
  failed: 'player.waiting.failed',
};

export const FAILURES: Record<PathFailure['kind'], TextKey> = {
  codec: 'player.unplayable.codec',
  container: 'player.unplayable.container',
  'no-media-source': 'player.unplayable.no-media-source',
  'no-webcodecs': 'player.unplayable.no-media-source',
  'no-door': 'player.unplayable.no-door',
  'no-webrtc': 'player.unplayable.no-webrtc',
  'no-frames': 'player.unplayable.broken',
  broken: 'player.unplayable.broken',
};

/** In these states something is under way. */
export const BUSY: readonly PlayerState[] = [PLAYER.connecting, PLAYER.waiting, PLAYER.lost, PLAYER.reconnecting];

/** From these nothing but a new beginning leads on. */
export const OVER: readonly PlayerState[] = [PLAYER.idle, PLAYER.ended, PLAYER.notFound, PLAYER.unplayable];
