// The viewers that a publisher serves itself, from page to page: hears their requests, offers, and ends what must end. Who
// gets a place is decided in `peer-places`, whether the uplink carries them in `uplink`.

import type { Delivery } from '../peer/delivery.ts';
import type { Connection } from '../wire/connection.ts';
import type { CentralMeanwhile, CloseSignal, PeerRequest } from '../wire/events.ts';
import { type PeerPhase, PeerPlaces, type PeerWish, type Step } from './peer-places.ts';
import { type PeerMedia, PeerSender } from './peer-sender.ts';
import { type PeerSending, Uplink } from './uplink.ts';

const TURN_EVERY_MS = 50;
const STATS_EVERY_MS = 1_000;
/** So many connections are asked at a time, in turn: each question stops all of them for a moment. */
const ASKED_AT_ONCE = 8;
const ID_LENGTH_MAX = 64;
const NAME_LENGTH_MAX = 64;

/** A viewer that is served from page to page. */
export interface PeerViewer {
  id: string;
  /** Unknown of pages that do not say. */
  name: string | undefined;
  central: CentralMeanwhile;
  phase: Exclude<PeerPhase, 'waiting'>;
  bitsPerSecond: number;
}

export interface PeerAudienceHost {
  /** How many viewers that were left to choose are wanted now. */
  wanted(max: number): void;
}

interface Served {
  sender: PeerSender;
  connectedAt: number;
  bitsPerSecond: number;
  isLimited: boolean;
}

export class PeerAudience {
  readonly #connection: Connection;
  readonly #host: PeerAudienceHost;
  readonly #streamKey: () => string | undefined;
  readonly #places: PeerPlaces;
  readonly #uplink = new Uplink();
  readonly #served = new Map<string, Served>();
  readonly #stops: (() => void)[];
  #media: PeerMedia = { video: null, audio: null, bitsPerSecond: 0, framesPerSecond: 30 };
  #told: number | undefined;

  constructor(connection: Connection, streamKey: () => string | undefined, delivery: Delivery, host: PeerAudienceHost) {
    this.#connection = connection;
    this.#streamKey = streamKey;
    this.#host = host;
    this.#places = new PeerPlaces(delivery);
    const turns = window.setInterval(() => this.#turn(), TURN_EVERY_MS);
    const stats = window.setInterval(() => this.#measure(), STATS_EVERY_MS);
    const isOurs = (payload: { streamKey: string }) =>
      payload?.streamKey !== undefined && payload.streamKey === streamKey();
    const known = <D>(
      { data, from, streamKey: key }: { data: D; from: string; streamKey: string },
      then: (served: Served, data: D) => void,
    ) => {
      const served = this.#served.get(from);
      if (served && isOurs({ streamKey: key }) && typeof data === 'object' && data !== null) then(served, data);
    };
    this.#stops = [
      () => clearInterval(turns),
      () => clearInterval(stats),
      connection.on('webrtc:request', (request) => {
        if (isOurs(request)) this.#asked(request);
      }),
      connection.on('webrtc:answer', (signal) =>
        known(signal, ({ sender }, answer) => void sender.accept(answer).catch(() => this.#over(signal.from))),
      ),
      connection.on('webrtc:ice-candidate', (signal) =>
        known(signal, ({ sender }, candidate) => sender.add(candidate)),
      ),
      connection.on('webrtc:close', (signal) => {
        if (!isOurs(signal)) return;
        if (signal.data?.reason === 'gone') this.#places.gone(signal.from);
        this.#over(signal.from);
      }),
    ];
  }

  set delivery(delivery: Delivery) {
    this.#places.delivery = delivery;
    this.#turn();
  }

  /** Sends this from now on, to all. */
  set media(media: PeerMedia) {
    this.#media = media;
    for (const { sender } of this.#served.values()) void sender.send(media).catch(() => {});
    this.#turn();
  }

  /** The stream is live, or live again, over a connection that has told the server nothing yet. */
  started(): void {
    this.#told = undefined;
    this.#places.max = this.#connection.peering.peerViewers;
    this.#turn();
  }

  /** What the way to the server does says something about the uplink as well. */
  centralChanged(change: 'lowered' | 'raised'): void {
    this.#uplink.centralChanged(change);
  }

  get viewers(): PeerViewer[] {
    return this.#places.all.flatMap(({ id, name, central, phase }) => {
      if (phase === 'waiting') return [];
      return [{ id, name, central, phase, bitsPerSecond: this.#served.get(id)?.bitsPerSecond ?? 0 }];
    });
  }

  close(): void {
    for (const stop of this.#stops) stop();
    for (const { sender } of this.#served.values()) sender.close();
    this.#served.clear();
  }

  #asked(request: PeerRequest): void {
    const { socketId, wish, username, central, again } = request;
    if (typeof socketId !== 'string' || socketId.length > ID_LENGTH_MAX) return;
    const known: PeerWish = wish === 'auto' || wish === 'p2p' ? wish : undefined;
    const name = typeof username === 'string' ? username.slice(0, NAME_LENGTH_MAX) : undefined;
    const meanwhile = central === 'rests' || central === 'left' ? central : 'sent';
    this.#take(
      this.#places.asked(socketId, { wish: known, name, central: meanwhile }, performance.now(), again === true),
    );
    this.#turn();
  }

  #turn(): void {
    if (this.#streamKey() === undefined) return;
    this.#take(this.#places.steps(performance.now(), this.#media.video !== null));
    const { wanted } = this.#places;
    if (this.#told === undefined || this.#told !== wanted) {
      this.#told = wanted;
      this.#host.wanted(wanted);
    }
  }

  #take(steps: Step[]): void {
    for (const step of steps) {
      switch (step.do) {
        case 'begin':
          void this.#begin(step.id);
          break;
        case 'send-away':
          this.#sayClose(step.id, 'central');
          break;
        case 'refuse':
          this.#sayClose(step.id, step.reason);
          break;
        case 'end':
          this.#end(step.id);
          break;
      }
    }
  }

  async #begin(id: string): Promise<void> {
    this.#end(id);
    const media = this.#media;
    const sender: PeerSender = new PeerSender(this.#connection.peering.iceServers, media, {
      candidate: (data) =>
        this.#connection.send('webrtc:ice-candidate', { ...this.#to(id), type: 'ice-candidate', data }),
      state: (state) => {
        const served = this.#served.get(id);
        if (served?.sender !== sender) return;
        if (state === 'connected') {
          served.connectedAt = performance.now();
          this.#places.connected(id, served.connectedAt);
          this.#turn();
        } else if (state === 'failed' || state === 'closed') this.#over(id);
      },
    });
    this.#served.set(id, { sender, connectedAt: performance.now(), bitsPerSecond: 0, isLimited: false });
    try {
      const data = await sender.offer();
      this.#connection.send('webrtc:offer', { ...this.#to(id), type: 'offer', data });
    } catch {
      if (this.#served.get(id)?.sender === sender) this.#over(id);
    }
  }

  #over(id: string): void {
    this.#end(id);
    this.#places.over(id, performance.now());
    this.#turn();
  }

  #end(id: string): void {
    this.#served.get(id)?.sender.close();
    this.#served.delete(id);
  }

  #measure(): void {
    for (const [id, served] of [...this.#served].slice(0, ASKED_AT_ONCE)) {
      // The last to be asked again.
      this.#served.delete(id);
      this.#served.set(id, served);
      served.sender.stats().then(
        (stats) => Object.assign(served, stats),
        () => {},
      );
    }
    const now = performance.now();
    const sending: PeerSending[] = [...this.#served].map(([id, { sender, ...served }]) => {
      return { id, ...served, wantedBitsPerSecond: sender.wantedBitsPerSecond };
    });
    if (this.#uplink.carries(sending, now)) return;
    this.#places.uplinkFull(now);
    const newest = this.#places.newest();
    if (newest) this.#take([this.#places.sendAway(newest, now)]);
  }

  #sayClose(id: string, reason: CloseSignal['data']['reason']): void {
    this.#connection.send('webrtc:close', { ...this.#to(id), type: 'close', data: { reason } });
  }

  #to(to: string): { from: string; to: string; streamKey: string } {
    return { from: this.#connection.socketId, to, streamKey: this.#streamKey() ?? '' };
  }
}
