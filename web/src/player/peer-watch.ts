// A viewer's side of peer to peer: asks the publisher, takes its newest offer, judges what comes, and goes when it is asked
// to, fails or falls silent. What is shown meanwhile is decided above it.
//
// Invariant: a picture that is shown and moves is not given up before another has taken its place.

import type { Delivery } from '../peer/delivery.ts';
import type { Connection } from '../wire/connection.ts';
import type { CandidateSignal, CentralMeanwhile, CloseSignal, OfferSignal, PeerSignal } from '../wire/events.ts';
import type { PathHost } from './path.ts';
import { PeerAsking, type Room } from './peer-asking.ts';
import { PeerPath } from './peer-path.ts';
import { Pulse } from './pulse.ts';
import type { Route } from './transport.ts';

const LOOK_EVERY_MS = 100;
/** A connection that shows nothing that can be trusted for so long has failed. */
const BEGIN_MAX_MS = 4_000;
/** One that was good and is not any more is kept for so long, if nothing takes its place before. */
const WEAK_MAX_MS = 3_000;
/** Candidates that come before the offer they belong to; more are left out. */
const EARLY_MAX = 64;

/** What the server does meanwhile for a viewer whose way through it is one of these; of others it knows nothing then. */
const CENTRAL_MEANWHILE: Partial<Record<Route, CentralMeanwhile>> = { webcodecs: 'rests', socketio: 'sent' };

/** What a person may want to know. `missed`: it is not wanted, and nothing has come through the server. */
export type PeerState = 'off' | 'missed' | 'asking' | 'connecting' | 'playing' | 'refused' | 'failed';

export interface PeerWatchHost extends Pick<PathHost, 'shown' | 'sized' | 'soundChanged'> {
  opened(path: PeerPath, pulse: Pulse): void;
  closed(): void;
  /** Whether it shall be shown rather than what comes through the server. */
  usable(isUsable: boolean): void;
  received(bytes: number, frames: number): void;
  /** The way through the server. */
  route(): Route;
  state(state: PeerState): void;
}

export class PeerWatch {
  readonly #connection: Connection;
  readonly #streamKey: string;
  readonly #host: PeerWatchHost;
  readonly #asking: PeerAsking;
  readonly #stops: (() => void)[];
  #room: Room = { isLive: false, viewers: 0, peersMax: undefined, hasCentral: false, since: 0 };
  #state: PeerState = 'off';
  #path: PeerPath | undefined;
  #publisher = '';
  #pulse = new Pulse();
  #early: { from: string; candidate: RTCIceCandidateInit }[] = [];
  #openedAt = 0;
  #wasTrusted = false;
  #weakSince: number | undefined;
  /** It must go, for good: asked to, or broken. */
  #isLeaving = false;
  #isShown = false;
  #isPaused = false;

  constructor(connection: Connection, streamKey: string, delivery: Delivery, host: PeerWatchHost) {
    this.#connection = connection;
    this.#streamKey = streamKey;
    this.#host = host;
    this.#asking = new PeerAsking(delivery);
    const timer = window.setInterval(() => this.#look(), LOOK_EVERY_MS);
    const ours =
      <P extends PeerSignal<string, unknown>>(then: (signal: P) => void) =>
      (signal: P) => {
        if (signal?.streamKey === streamKey && typeof signal.data === 'object' && signal.data) then(signal);
      };
    this.#stops = [
      () => clearInterval(timer),
      connection.on(
        'webrtc:offer',
        ours((signal) => this.#offered(signal)),
      ),
      connection.on(
        'webrtc:ice-candidate',
        ours((signal) => this.#candidate(signal)),
      ),
      connection.on(
        'webrtc:close',
        ours((signal) => this.#asked(signal)),
      ),
    ];
  }

  set delivery(delivery: Delivery) {
    if (delivery === this.#asking.delivery) return;
    this.#asking.delivery = delivery;
    this.#asking.anew();
    if (delivery === 'central') this.#leave();
    else this.#isLeaving = false;
    this.#look();
  }

  /** What is known of the stream, or has changed. */
  tell(change: Partial<Room>): void {
    const before = this.#room;
    // Said with every picture.
    if (change.hasCentral && before.hasCentral) return;
    this.#room = { ...before, ...change };
    const isBack = this.#room.isLive && !before.isLive;
    if (isBack || this.#room.peersMax !== before.peersMax) this.#asking.anew();
    if (!this.#room.isLive) this.#drop();
    this.#look();
  }

  /** Nothing is expected while the publisher pauses. */
  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#pulse.rest();
    this.#weakSince = undefined;
    this.#openedAt = performance.now();
  }

  /** Whether it is shown now. One that must go goes when it is not. */
  set isShown(isShown: boolean) {
    this.#isShown = isShown;
    if (!isShown && this.#isLeaving) this.#drop();
    if (isShown) this.#asking.succeeded();
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#drop();
  }

  #look(): void {
    const now = performance.now();
    if (this.#path) this.#judge(now);
    else if (this.#asking.isMissed(this.#room, now)) this.#set('missed');
    else if (!this.#asking.isWanted(this.#room, now)) {
      if (this.#state === 'asking' || this.#state === 'missed') this.#set('off');
    } else if (this.#asking.isDue(now)) this.#ask(now);
  }

  #ask(now: number): void {
    const { socketId, user, username } = this.#connection;
    if (!user) return;
    const wish = this.#asking.delivery === 'p2p' ? 'p2p' : 'auto';
    const { id: viewerId } = user;
    const streamKey = this.#streamKey;
    const central = CENTRAL_MEANWHILE[this.#host.route()] ?? 'left';
    if (!this.#connection.send('webrtc:request', { streamKey, viewerId, socketId, wish, username, central })) return;
    this.#asking.asked(now);
    this.#set('asking');
  }

  #offered({ data, from }: OfferSignal): void {
    // A publisher may offer by itself: to who was left to choose, and has asked before.
    if (this.#asking.delivery === 'central' || !this.#room.isLive) {
      this.#publisher = from;
      this.#sayLeft();
      return;
    }
    this.#drop({ silently: true });
    this.#publisher = from;
    this.#isLeaving = this.#wasTrusted = false;
    this.#weakSince = undefined;
    this.#openedAt = performance.now();
    const pulse = new Pulse();
    const path: PeerPath = new PeerPath(this.#connection.peering.iceServers, data, {
      shown: (ageMs) => {
        if (this.#path === path) this.#host.shown(ageMs);
      },
      sized: (width, height) => {
        if (this.#path === path) this.#host.sized(width, height);
      },
      soundChanged: () => {
        if (this.#path === path) this.#host.soundChanged();
      },
      received: (bytes, frames) => {
        if (this.#path === path) this.#host.received(bytes, frames);
      },
      candidate: (candidate) => this.#send('ice-candidate', candidate),
      answer: (answer) => {
        if (this.#path === path) this.#send('answer', answer);
      },
      broken: () => {
        if (this.#path === path) this.#broke();
      },
    });
    this.#path = path;
    this.#pulse = pulse;
    for (const early of this.#early.splice(0)) if (early.from === from) path.add(early.candidate);
    this.#set('connecting');
    this.#host.opened(path, pulse);
    this.#host.usable(true);
  }

  #candidate({ data, from }: CandidateSignal): void {
    if (this.#path && from === this.#publisher) this.#path.add(data);
    else if (this.#early.length < EARLY_MAX) this.#early.push({ from, candidate: data });
  }

  /** The publisher wants this viewer to watch through the server. */
  #asked({ from, data }: CloseSignal): void {
    if (this.#path && from !== this.#publisher) return;
    this.#publisher = from;
    this.#asking.refused(performance.now());
    if (this.#path) this.#leave();
    else this.#set(this.#asking.delivery === 'p2p' || data.reason === 'full' ? 'refused' : 'off');
  }

  #judge(now: number): void {
    if (document.hidden || this.#isPaused) return;
    const pulse = this.#pulse;
    if (pulse.isTrusted(now)) this.#wasTrusted = true;
    if (!this.#isLeaving) {
      const isGood = !pulse.isSilent(now) && (!this.#wasTrusted || this.#isShown || pulse.isTrusted(now));
      if (isGood) {
        this.#weakSince = undefined;
        if (pulse.isTrusted(now)) this.#set('playing');
        this.#host.usable(true);
      } else {
        if (pulse.isSilent(now)) pulse.fellSilent();
        this.#weakSince ??= now;
        this.#host.usable(false);
      }
    }
    const isTooLate = !this.#wasTrusted && now - this.#openedAt > BEGIN_MAX_MS;
    const isTooWeak = this.#weakSince !== undefined && now - this.#weakSince > WEAK_MAX_MS;
    if (!isTooLate && !isTooWeak) return;
    let hasFailed = this.#state === 'failed';
    if (!this.#isLeaving) {
      this.#asking.failed(now);
      hasFailed = true;
    } else if (!hasFailed && !pulse.isSilent(now)) return; // All that there is to see.
    this.#drop();
    if (hasFailed) this.#set('failed');
  }

  #broke(): void {
    this.#asking.failed(performance.now());
    this.#leave();
    this.#set('failed');
  }

  /** Goes, after the other way has taken its place. */
  #leave(): void {
    if (!this.#path) {
      this.#set('off');
      return;
    }
    this.#isLeaving = true;
    this.#weakSince ??= performance.now();
    this.#host.usable(false);
    if (!this.#isShown) this.#drop();
  }

  #drop({ silently = false } = {}): void {
    const path = this.#path;
    if (!path) return;
    this.#path = undefined;
    this.#isShown = false;
    this.#host.closed();
    path.close();
    if (silently) return;
    this.#sayLeft();
    this.#set('off');
  }

  #sayLeft(): void {
    this.#send('close', { reason: 'left' });
  }

  #send(type: 'answer', data: RTCSessionDescriptionInit): void;
  #send(type: 'ice-candidate', data: RTCIceCandidateInit): void;
  #send(type: 'close', data: CloseSignal['data']): void;
  #send(type: 'answer' | 'ice-candidate' | 'close', data: object): void {
    const { socketId: from } = this.#connection;
    const signal = { type, data, from, to: this.#publisher, streamKey: this.#streamKey };
    this.#connection.send(`webrtc:${type}`, signal as never);
  }

  #set(state: PeerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#host.state(state);
  }
}
