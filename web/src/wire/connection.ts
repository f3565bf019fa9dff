// One connection to the server: registered under a name, clock compared, back by itself when it was cut.
//
// Nothing is ever kept for later: what cannot be sent now is refused to the caller, because a live picture that waits is
// worth nothing and a client that flushes old frames on return only hurts. Whoever must act after every (re)registration
// listens to `state`.

import { io, type Socket } from 'socket.io-client';
import { Backlog } from './backlog.ts';
import { ClockOffset } from './clock.ts';
import { CONNECTION, type ConnectionState } from './connection-state.ts';
import type { ClientToServer, Heard, Peering, Role, WireUser } from './events.ts';
import { resumeTokens } from './identity.ts';

/** Between comparisons of the clocks, once it is known. */
const CLOCK_EVERY_MS = 20_000;
/** The first few come quickly, to find a short round trip. */
const CLOCK_BURST = 3;
const CLOCK_BURST_GAP_MS = 250;
/** After the server closed the socket on purpose, socket.io-client stays away; we knock again. */
const KNOCK_AGAIN_MS = 1_000;

type Handlers = { [E in keyof Heard]: Heard[E] };

export class Connection {
  readonly clock = new ClockOffset();
  /** The server's origin. */
  readonly server: string;
  readonly #socket: Socket<Heard, ClientToServer>;
  readonly #watchers = new Set<(state: ConnectionState) => void>();
  #state: ConnectionState = CONNECTION.connecting;
  #identity: { username: string; role: Role };
  #user: WireUser | null = null;
  #peering: Peering = { iceServers: [], peerViewers: 0 };
  readonly #backlog = new Backlog();
  #clockId = 0;
  #clockSent = new Map<number, number>();
  #clockTimer: number | undefined;
  #knockTimer: number | undefined;

  constructor(username: string, role: Role, server: string = location.origin) {
    this.#identity = { username, role };
    this.server = server;
    this.#socket = io(server, {
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      autoConnect: false,
      reconnectionDelay: 400,
      reconnectionDelayMax: 4_000,
      timeout: 8_000,
    });
    this.#socket.on('connect', () => this.#register());
    this.#socket.on('disconnect', (reason) => this.#lost(reason === 'io server disconnect'));
    this.#socket.on('connect_error', () => this.#lost(!this.#socket.active));
    this.#socket.on('user:registered', ({ user, resumeToken, webrtc }) => {
      if (webrtc) this.#peering = webrtc;
      this.#registered(user, resumeToken);
    });
    this.#socket.on('stream:error', ({ retryAfterMs }) => this.#turnedAway(retryAfterMs));
    this.#socket.on('clock:now', ({ id, now }) => this.#clockAnswer(id, now));
  }

  open(): void {
    this.#socket.connect();
  }

  close(): void {
    clearTimeout(this.#clockTimer);
    clearTimeout(this.#knockTimer);
    this.#set(CONNECTION.closed);
    this.#socket.disconnect();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get user(): WireUser | null {
    return this.#user;
  }

  /** What peers address this connection by; another after each reconnection. */
  get socketId(): string {
    return this.#socket.id ?? '';
  }

  /** What the server says that peers need to find each other. */
  get peering(): Peering {
    return this.#peering;
  }

  get username(): string {
    return this.#identity.username;
  }

  /** Calls `watcher` now and on every change, registrations on a fresh connection included. Returns how to stop. */
  watch(watcher: (state: ConnectionState) => void): () => void {
    this.#watchers.add(watcher);
    watcher(this.#state);
    return () => this.#watchers.delete(watcher);
  }

  on<E extends keyof Heard>(event: E, handler: Handlers[E]): () => void {
    // The library's listener type loses the link between name and payload inside a generic.
    const listener = handler as never;
    this.#socket.on(event, listener);
    return () => this.#socket.off(event, listener);
  }

  /** Sends now or not at all; false means that it did not leave. */
  send<E extends keyof ClientToServer>(event: E, ...payload: Parameters<ClientToServer[E]>): boolean {
    if (this.#state !== CONNECTION.online || !this.#socket.connected) return false;
    this.#socket.emit(event, ...payload);
    return true;
  }

  /** Registers under another name on the same connection. */
  rename(username: string): Promise<WireUser> {
    const before = this.#identity;
    this.#identity = { ...before, username };
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        stopAnswer();
        stopRefusal();
        settle();
      };
      const stopAnswer = this.on('user:registered', ({ user }) => done(() => resolve(user)));
      const stopRefusal = this.on('stream:error', ({ message }) =>
        done(() => {
          this.#identity = before;
          reject(new Error(message));
        }),
      );
      if (this.#socket.connected) this.#register();
    });
  }

  /** Sends media now or not at all, and keeps track of whether it arrives. */
  sendMedia(payload: Parameters<ClientToServer['stream:data:send']>[0]): boolean {
    if (!this.send('stream:data:send', payload)) return false;
    this.#backlog.sent(payload.data.byteLength);
    if (this.#backlog.isProbeDue(performance.now())) this.probe();
    return true;
  }

  /** Asks whether all that was sent has arrived. */
  probe(): void {
    const id = ++this.#clockId;
    this.#backlog.asked(id, performance.now());
    this.send('clock:get', { id });
  }

  /** How far what was sent is behind its time, ms. */
  lateMs(): number {
    return this.#backlog.lateMs(performance.now());
  }

  /** Media bytes that have not reached the server, as far as is known. */
  bytesUnderWay(): number {
    return Math.max(this.#backlog.bytes, this.bytesUnsent());
  }

  /** Bytes handed over that have not left the browser. */
  bytesUnsent(): number {
    const engine = this.#socket.io.engine as unknown as EngineInside | undefined;
    if (!engine) return 0;
    const socket = engine.transport?.ws?.bufferedAmount ?? 0;
    return (engine.writeBuffer ?? []).reduce((sum, packet) => sum + sizeOf(packet.data), socket);
  }

  /** Now, in the server's clock. */
  serverNow(): number {
    return this.clock.toServer(Date.now());
  }

  #register(): void {
    const { username, role } = this.#identity;
    const resumeToken = resumeTokens.get(role, username);
    this.#socket.emit('user:register', resumeToken ? { username, role, resumeToken } : { username, role });
  }

  #registered(user: WireUser, resumeToken: string | undefined): void {
    this.#user = user;
    if (resumeToken) resumeTokens.set(this.#identity.role, this.#identity.username, resumeToken);
    if (this.#state === CONNECTION.online || this.#state === CONNECTION.closed) return;
    this.#set(CONNECTION.online);
    this.#askClock(CLOCK_BURST);
  }

  /** Before there is an answer, a refusal is of the registration: too many come from here, and the server says until when. */
  #turnedAway(retryAfterMs: number | undefined): void {
    if (this.#state === CONNECTION.online || retryAfterMs === undefined) return;
    clearTimeout(this.#knockTimer);
    this.#knockTimer = window.setTimeout(() => this.#register(), retryAfterMs);
  }

  #lost(knockAgain: boolean): void {
    if (this.#state === CONNECTION.closed) return;
    clearTimeout(this.#clockTimer);
    clearTimeout(this.#knockTimer);
    this.#clockSent.clear();
    this.#backlog.reset();
    this.#set(CONNECTION.offline);
    if (!knockAgain) return;
    this.#knockTimer = window.setTimeout(() => this.#socket.connect(), KNOCK_AGAIN_MS);
  }

  #askClock(burst: number): void {
    const id = ++this.#clockId;
    this.#clockSent.set(id, Date.now());
    this.send('clock:get', { id });
    const wait = burst > 1 ? CLOCK_BURST_GAP_MS : CLOCK_EVERY_MS;
    this.#clockTimer = window.setTimeout(() => this.#askClock(burst - 1), wait);
  }

  #clockAnswer(id: number, now: number): void {
    if (this.#backlog.answered(id, performance.now())) return;
    const sentAt = this.#clockSent.get(id);
    this.#clockSent.delete(id);
    if (sentAt !== undefined) this.clock.add(sentAt, Date.now(), now);
  }

  #set(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}

/** The parts of engine.io-client that tell what still waits; not in its types. */
interface EngineInside {
  transport?: { ws?: { bufferedAmount?: number } };
  writeBuffer?: { data?: unknown }[];
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return data.byteLength;
  return 0;
}
