// Publishing over the native door: takes the seat with the token, comes back to it after a cut, and knows how late what
// it sends arrives.

import { Backlog } from '../wire/backlog.ts';
import type { Refusal } from './closing.ts';
import { Link, type LinkState } from './link.ts';
import { type FromPublisher, type FromServer, PUBLISH_PROTOCOL, type Track } from './messages.ts';

export type Ready = Extract<FromServer, { type: 'ready' }>;

export interface PublishDoorHost {
  /** The seat is ours: tracks next, then a keyframe. */
  ready(ready: Ready): void;
  keyframe(): void;
  viewers(count: number): void;
  warning(code: string, message: string): void;
  ended(): void;
  link(state: LinkState): void;
  refused(reason: Refusal, message: string, isFinal: boolean): void;
}

export class PublishDoor {
  readonly #host: PublishDoorHost;
  readonly #link: Link;
  readonly #backlog = new Backlog();
  #token: string | undefined;
  #isReady = false;

  constructor(url: string, token: string | undefined, host: PublishDoorHost) {
    this.#host = host;
    this.#token = token;
    this.#link = new Link(url, PUBLISH_PROTOCOL, {
      opened: () =>
        this.#say(this.#token === undefined ? { type: 'publish' } : { type: 'publish', token: this.#token }),
      text: (message) => this.#text(message),
      binary: () => {},
      state: (state) => {
        this.#isReady = false;
        this.#backlog.reset();
        host.link(state);
      },
      refused: (closing) => host.refused(closing.reason, closing.message, closing.kind === 'over'),
      answered: (id, now) => this.#backlog.answered(id, now),
    });
  }

  open(): void {
    this.#link.open();
  }

  close(): void {
    this.#link.close();
  }

  /** Whether frames may be sent. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Bytes that the browser still holds. */
  get bufferedAmount(): number {
    return this.#link.bufferedAmount;
  }

  /** A local time, ms since 1970, in the server's clock and in whole microseconds; 0 while the clocks are not compared. */
  toServerMicros(local: number): number {
    return this.#link.clock.known ? Math.round(this.#link.clock.toServer(local) * 1_000) : 0;
  }

  /** How far what was sent is behind its time, ms: sees the system's own buffers too. */
  lateMs(): number {
    return this.#backlog.lateMs(performance.now());
  }

  sendTracks(tracks: readonly Track[]): void {
    if (this.#isReady) this.#say({ type: 'tracks', tracks: [...tracks] });
  }

  sendFrame(message: Uint8Array<ArrayBuffer>): boolean {
    if (!this.#isReady || !this.#link.sendBinary(message)) return false;
    this.#backlog.sent(message.length);
    const now = performance.now();
    if (this.#backlog.isProbeDue(now)) this.#backlog.asked(this.#link.askClock(), now);
    return true;
  }

  #text(message: FromServer): void {
    const host = this.#host;
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        this.#token = message.token ?? this.#token;
        host.ready(message);
        break;
      case 'keyframe':
        host.keyframe();
        break;
      case 'viewers':
        host.viewers(message.count);
        break;
      case 'warning':
        host.warning(message.code, message.message);
        break;
      case 'ended':
        host.ended();
        break;
    }
  }

  #say(message: FromPublisher): void {
    this.#link.send(message);
  }
}
