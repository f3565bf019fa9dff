// A WebSocket to the native door that comes back by itself, with the clocks compared over it.
//
// Lives in a worker or on a page. It sends now or not at all; what stands in the messages is known to `watch-door` and
// `publish-door`. A socket on which a question about the time stays unanswered for long is dead, whatever the system says.

import { ClockOffset } from '../wire/clock.ts';
import { Backoff } from './backoff.ts';
import { type Closing, closingOf, type LastError } from './closing.ts';
import { type FromServer, readMessage } from './messages.ts';

export const LINK = { connecting: 'connecting', open: 'open', cut: 'cut', closed: 'closed' } as const;
export type LinkState = (typeof LINK)[keyof typeof LINK];

/** So many attempts in vain before any success, and there is no door. */
const VAIN_MAX = 2;
const OPEN_TIMEOUT_MS = 8_000;
const CLOCK_BURST = 4;
const CLOCK_BURST_GAP_MS = 60;
const CLOCK_EVERY_MS = 2_000;
const DEAD_AFTER_MS = 12_000;

export interface LinkHost {
  /** The socket is open: say who we are. */
  opened(): void;
  text(message: FromServer): void;
  /** `arrival` as `performance.now()`. */
  binary(message: ArrayBuffer, arrival: number): void;
  state(state: LinkState): void;
  /** It will not come back, or not soon. */
  refused(closing: Exclude<Closing, { kind: 'again' }>): void;
  /** An answer about the time came: all that was sent before the question has arrived. */
  answered?(id: number, now: number): void;
}

/** `Date.now()` with the precision and the monotony of `performance.now()`. */
export function localNow(): number {
  return performance.timeOrigin + performance.now();
}

export class Link {
  readonly clock = new ClockOffset();
  readonly #url: string;
  readonly #protocol: string;
  readonly #host: LinkHost;
  readonly #backoff = new Backoff();
  #socket: WebSocket | undefined;
  #state: LinkState = LINK.connecting;
  #lastError: LastError | undefined;
  #wasOpen = false;
  #vain = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #clockTimer: ReturnType<typeof setTimeout> | undefined;
  #clockId = 0;
  #asked = new Map<number, number>();

  constructor(url: string, protocol: string, host: LinkHost) {
    this.#url = url;
    this.#protocol = protocol;
    this.#host = host;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get isOpen(): boolean {
    return this.#state === LINK.open;
  }

  /** Now in the server's clock, ms since 1970. */
  serverNow(): number {
    return this.clock.toServer(localNow());
  }

  open(): void {
    if (this.#state === LINK.closed) return;
    clearTimeout(this.#timer);
    this.#lastError = undefined;
    const socket = new WebSocket(this.#url, this.#protocol);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data === 'string') this.#text(data);
      else this.#host.binary(data, performance.now());
    };
    socket.onclose = ({ code }) => {
      if (this.#socket === socket) this.#lost(code);
    };
  }

  send(message: object): boolean {
    if (this.#state !== LINK.open) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  sendBinary(message: Uint8Array<ArrayBuffer>): boolean {
    if (this.#state !== LINK.open) return false;
    this.#socket?.send(message);
    return true;
  }

  /** Asks for the time; gives back the question's number. */
  askClock(): number {
    const id = ++this.#clockId;
    this.#asked.set(id, localNow());
    this.send({ type: 'clock', id });
    return id;
  }

  close(): void {
    this.#stop();
    this.#set(LINK.closed);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#wasOpen = true;
    this.#backoff.succeeded();
    this.#set(LINK.open);
    this.#host.opened();
    this.#keepClock(CLOCK_BURST);
  }

  #text(data: string): void {
    const message = readMessage(data);
    if (message?.type === 'clock') this.#clockAnswer(message.id, message.now);
    else if (message) {
      if (message.type === 'error') this.#lastError = message;
      this.#host.text(message);
    }
  }

  #keepClock(burst: number): void {
    const oldest = this.#asked.values().next().value;
    if (oldest !== undefined && localNow() - oldest > DEAD_AFTER_MS) {
      this.#socket?.close();
      this.#lost(1006);
      return;
    }
    this.askClock();
    this.#clockTimer = setTimeout(() => this.#keepClock(burst - 1), burst > 1 ? CLOCK_BURST_GAP_MS : CLOCK_EVERY_MS);
  }

  #clockAnswer(id: number, now: number): void {
    const askedAt = this.#asked.get(id);
    if (askedAt === undefined) return;
    for (const earlier of this.#asked.keys()) if (earlier <= id) this.#asked.delete(earlier);
    this.clock.add(askedAt, localNow(), now / 1_000);
    this.#host.answered?.(id, performance.now());
  }

  #lost(code: number): void {
    this.#stop();
    this.#socket = undefined;
    if (this.#state === LINK.closed) return;
    const closing = closingOf(code, this.#lastError);
    if (!this.#wasOpen && ++this.#vain >= VAIN_MAX) {
      void this.#judgeDoor();
      return;
    }
    this.#set(closing.kind === 'over' ? LINK.closed : LINK.cut);
    if (closing.kind !== 'again') this.#host.refused(closing);
    if (closing.kind === 'over') return;
    const wait = closing.kind === 'later' ? this.#backoff.asked(closing.afterMs) : this.#backoff.next();
    this.#timer = setTimeout(() => this.open(), wait);
  }

  /** No attempt has worked: where there is a server there is no door; where there is none it may come back. */
  async #judgeDoor(): Promise<void> {
    this.#set(LINK.cut);
    const url = new URL('/health', this.#url.replace(/^ws/, 'http'));
    const signal = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    const answers = await fetch(url, { cache: 'no-store', signal }).then(
      // A proxy whose server is away answers too, and so does a server that is full.
      ({ ok }) => ok,
      () => false,
    );
    if (this.#state === LINK.closed) return;
    if (answers) {
      this.#set(LINK.closed);
      this.#host.refused({ kind: 'over', reason: 'no-door', message: this.#url });
    } else this.#timer = setTimeout(() => this.open(), this.#backoff.next());
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#clockTimer);
    this.#asked.clear();
  }

  #set(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#host.state(state);
  }
}
