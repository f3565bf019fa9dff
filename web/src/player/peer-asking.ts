// When a viewer asks the publisher for its picture, from peer to peer. Pure.

import type { Delivery } from '../peer/delivery.ts';

/** Without an offer the question is repeated: StreamHub's page loses it while its camera is not ready. */
const AGAIN_MS = 1_000;
/** After so many in vain it is repeated less often. */
const OFTEN_MAX = 10;
const SELDOM_MS = 5_000;
/** After a connection that failed, doubled with every further one. */
const FAILED_MS = 5_000;
const FAILED_MAX_MS = 60_000;
/** After the publisher said no. */
const REFUSED_MS = 30_000;
/** A publisher that said nothing and sends nothing for so long has no other way than this. */
const NOTHING_FOR_MS = 1_000;
/** In a larger room nobody asks who was left to choose: the publisher would hear of nothing else. */
const ROOM_MAX = 200;

export interface Room {
  isLive: boolean;
  viewers: number;
  /** How many the publisher wants to serve itself; undefined if it did not say. */
  peersMax: number | undefined;
  /** A picture has come through the server. */
  hasCentral: boolean;
  /** Since when this viewer is in, ms. */
  since: number;
}

export class PeerAsking {
  delivery: Delivery;
  #next = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #failed = 0;

  constructor(delivery: Delivery) {
    this.delivery = delivery;
  }

  /** Whether a picture from peer to peer is wanted at all. */
  isWanted(room: Room, now: number): boolean {
    if (!room.isLive || this.delivery === 'central') return false;
    if (this.delivery === 'p2p') return true;
    if (room.peersMax !== undefined) return room.peersMax > 0 && room.viewers <= ROOM_MAX;
    return hasNoOtherWay(room, now);
  }

  /** Whether there is nothing to see for who wants the server alone. */
  isMissed(room: Room, now: number): boolean {
    return this.delivery === 'central' && room.isLive && room.peersMax === undefined && hasNoOtherWay(room, now);
  }

  isDue(now: number): boolean {
    return now >= this.#next;
  }

  asked(now: number): void {
    this.#asked += 1;
    this.#next = now + (this.#asked < OFTEN_MAX ? AGAIN_MS : SELDOM_MS);
  }

  /** It works. */
  succeeded(): void {
    this.#failed = this.#asked = 0;
  }

  failed(now: number): void {
    this.#next = now + Math.min(FAILED_MAX_MS, FAILED_MS * 2 ** this.#failed);
    this.#failed += 1;
    this.#asked = 0;
  }

  refused(now: number): void {
    this.#next = now + REFUSED_MS;
    this.#asked = 0;
  }

  /** Something has changed: what was in vain before may work now. */
  anew(): void {
    this.#next = Number.NEGATIVE_INFINITY;
    this.#failed = this.#asked = 0;
  }
}

function hasNoOtherWay({ hasCentral, since }: Room, now: number): boolean {
  return !hasCentral && now - since >= NOTHING_FOR_MS;
}
