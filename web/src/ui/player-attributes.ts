// What a player's page says of it in attributes, which are properties as well, and what a player tells its page.

import { type Delivery, deliveryFrom } from '../peer/delivery.ts';
import type { PathFailure } from '../player/path.ts';
import type { PeerState } from '../player/peer-watch.ts';
import type { PlayerState } from '../player/player-state.ts';
import { type Transport, transportFrom } from '../player/transport.ts';
import type { WatchStats } from '../player/watch-numbers.ts';
import type { WireStream } from '../wire/events.ts';
import { keyFrom } from '../wire/streams.ts';
import { type EventsOf, elementWith } from './element.ts';

export interface PlayerEvents {
  statechange: PlayerState;
  stats: WatchStats;
  stream: { stream: WireStream; streamerUsername: string | undefined };
  viewers: number;
  /** Another way is taken, because one failed: which, and why the other failed. */
  fallback: { to: Exclude<Transport, 'auto'>; failure: PathFailure };
  error: PathFailure;
  /** What became of the way from peer to peer. */
  peer: PeerState;
  next: string;
}

/** All that a player tells, as `addEventListener` gives it. */
export type PlayerEventMap = EventsOf<
  PlayerEvents,
  'ended' | 'pause' | 'play' | 'playing' | 'resize' | 'volumechange' | 'waiting'
>;

export class PlayerAttributes extends elementWith<PlayerEventMap>() {
  static readonly observedAttributes = ['delivery', 'src', 'server', 'stream-key', 'transport', 'volume'];

  get streamKey(): string | null {
    return this.getAttribute('stream-key') ?? keyFrom(this.getAttribute('src') ?? '');
  }

  set streamKey(key: string | null) {
    if (key === null) this.removeAttribute('stream-key');
    else this.setAttribute('stream-key', key);
  }

  get src(): string {
    return this.getAttribute('src') ?? '';
  }

  set src(url: string) {
    this.setAttribute('src', url);
  }

  get transport(): Transport {
    return transportFrom(this.getAttribute('transport'));
  }

  set transport(transport: Transport) {
    this.setAttribute('transport', transport);
  }

  get delivery(): Delivery {
    return deliveryFrom(this.getAttribute('delivery'));
  }

  set delivery(delivery: Delivery) {
    this.setAttribute('delivery', delivery);
  }

  get autoplay(): boolean {
    return this.hasAttribute('autoplay');
  }

  set autoplay(autoplay: boolean) {
    this.toggleAttribute('autoplay', autoplay);
  }

  get controls(): boolean {
    return this.hasAttribute('controls');
  }

  set controls(controls: boolean) {
    this.toggleAttribute('controls', controls);
  }
}
