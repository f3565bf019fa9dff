// Watches one stream: takes the best way there is and the next one when it fails, joins again after every cut, and keeps
// state and numbers. Knows no page; `abanico-player` shows what it says.
//
// With a Socket.IO connection of the page, that says what becomes of the stream, and media come beside it over the native
// door. Without one, the native door says both; Socket.IO is then only opened as the last resort.

import { usesNativeDoor } from '../native/available.ts';
import type { Refusal } from '../native/closing.ts';
import { LINK, type LinkState } from '../native/link.ts';
import { doorUrl } from '../native/messages.ts';
import { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { REFUSAL, type WireFrame, type WireStream } from '../wire/events.ts';
import { shortTag } from '../wire/identity.ts';
import { toBytes } from '../wire/payload.ts';
import { fetchStreams } from '../wire/streams.ts';
import { FedMedia } from './fed-media.ts';
import { FramesPath, mayPlayFrames, type Painter } from './frames-path.ts';
import { atDoor, Knocking } from './knocking.ts';
import { mediaSourceClass } from './media-source.ts';
import { MsePath } from './mse-path.ts';
import type { DoorHost, FedPath, Path, PathFailure, PathHost } from './path.ts';
import { PicturePath } from './picture-path.ts';
import { NOTHING, type PlayerState, playerState, type Situation } from './player-state.ts';
import { type Route, routesFor, type Transport } from './transport.ts';
import { WatchNumbers, type WatchStats } from './watch-numbers.ts';
import { WebmPath } from './webm-path.ts';

/** Before a refused join is tried again, if the server does not say when. */
const RETRY_MS = 5_000;
/** A stream that has no tracks after this is looked up: perhaps it has no frames at all. */
const TRACKS_MAX_MS = 3_000;
/** Numbers are told this often. */
const STATS_EVERY_MS = 500;
/** So many stand-stills in a while, and a break is no longer mended by joining again. */
const STALLS_MAX = 8;

export interface WatchOptions {
  server: string;
  streamKey: string;
  transport: Transport;
  /** Who draws decoded frames. */
  painter?: Painter;
  /** The page's own, if it has one. */
  connection?: Connection | undefined;
}

/** What the owner hears. */
export interface WatchHost {
  state(state: PlayerState): void;
  stats(stats: WatchStats): void;
  stream(stream: WireStream, streamerUsername: string | undefined): void;
  viewers(count: number): void;
  /** A new path: show its element in place of the one before. */
  path(path: Path): void;
  sized(width: number, height: number): void;
  /** Another way is taken, because this one failed. */
  fellBack(to: Route, failure: PathFailure): void;
  failed(failure: PathFailure): void;
  soundChanged(): void;
  /** The stream ended and its publisher has started another one. */
  next(streamKey: string): void;
}

export class Watch {
  readonly #options: WatchOptions;
  readonly #host: WatchHost;
  readonly #stops: (() => void)[] = [];
  readonly #numbers = new WatchNumbers();
  readonly #fed: FedMedia;
  readonly #routes: Route[];
  #routeAt = 0;
  #connection: Connection | undefined;
  #isOwnConnection = false;
  #situation: Situation = NOTHING;
  #state: PlayerState;
  #path: Path | undefined;
  #link: LinkState | undefined;
  #retryTimer: number | undefined;
  #tracksTimer: number | undefined;
  /** Under way while the stream has ended. */
  #knocking: Knocking | undefined;
  #isClosed = false;

  constructor(options: WatchOptions, host: WatchHost) {
    this.#options = options;
    this.#host = host;
    this.#state = playerState(this.#situation);
    this.#fed = new FedMedia({
      open: (kind) =>
        this.#show(kind === 'picture' ? new PicturePath(this.#pathHost()) : new WebmPath(this.#pathHost())),
    });
    this.#routes = routesFor(options.transport, {
      hasDoor: usesNativeDoor(),
      mayPlayFrames: mayPlayFrames(),
      hasMediaSource: mediaSourceClass() !== undefined,
    });
    const timer = window.setInterval(() => this.#tellStats(), STATS_EVERY_MS);
    this.#stops.push(() => clearInterval(timer));
    const visibility = () => {
      this.#path?.setVisible(!document.hidden);
      if (this.#knocking) this.#knocking.isSeen = !document.hidden;
    };
    document.addEventListener('visibilitychange', visibility);
    this.#stops.push(() => document.removeEventListener('visibilitychange', visibility));
    // After the constructor, so that the owner has this object when it hears of a path.
    queueMicrotask(() => {
      if (this.#isClosed) return;
      if (options.connection) this.#use(options.connection);
      this.#begin();
    });
  }

  get streamKey(): string {
    return this.#options.streamKey;
  }

  get state(): PlayerState {
    return this.#state;
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#retryTimer);
    this.#stopKnocking();
    this.#connection?.send('stream:leave', { streamKey: this.streamKey });
    if (this.#isOwnConnection) this.#connection?.close();
    this.#closePath();
  }

  get #route(): Route {
    return this.#routes[this.#routeAt] ?? 'socketio';
  }

  /** Opens the way whose turn it is. */
  #begin(): void {
    clearTimeout(this.#retryTimer);
    this.#stopKnocking();
    this.#closePath();
    const { server, streamKey } = this.#options;
    switch (this.#route) {
      case 'webcodecs':
        this.#show(new FramesPath(doorUrl(server, streamKey), this.#options.painter ?? 'page', this.#doorHost()));
        break;
      case 'mse':
        this.#show(new MsePath(server, streamKey, this.#doorHost()));
        break;
      case 'socketio':
        if (this.#connection) this.#join();
        else this.#connect(server);
        return;
    }
    if (!this.#connection) this.#change({ join: 'asked' });
  }

  #connect(server: string): void {
    const connection = new Connection(`Guest-${shortTag()}`, 'VIEWER', server);
    this.#isOwnConnection = true;
    this.#use(connection);
    connection.open();
  }

  #use(connection: Connection): void {
    this.#connection = connection;
    const ours =
      <P extends { streamKey: string }>(then: (payload: P) => void) =>
      (payload: P) => {
        if (payload.streamKey === this.streamKey) then(payload);
      };
    this.#stops.push(
      connection.on(
        'stream:buffer',
        ours(({ frames }) => this.#backlog(frames)),
      ),
      connection.on(
        'stream:data',
        ours((frame) => this.#frame(frame, false)),
      ),
      connection.on('stream:joined', (payload) => this.#joined(payload)),
      connection.on('stream:started', ({ stream }) => this.#started(stream)),
      connection.on('stream:ended', ({ stream }) => {
        if (stream.streamKey === this.streamKey) this.#ended();
      }),
      connection.on('stream:next', ({ streamKey, next }) => {
        if (streamKey === this.streamKey) this.#host.next(next);
      }),
      connection.on(
        'stream:paused',
        ours(({ paused }) => this.#change({ isPaused: paused })),
      ),
      connection.on(
        'stream:publisher:lost',
        ours(() => this.#change({ isPublisherLost: true })),
      ),
      connection.on(
        'stream:publisher:back',
        ours(() => this.#change({ isPublisherLost: false })),
      ),
      connection.on(
        'stream:skipped',
        ours(({ frames }) => this.#numbers.skippedByServer(frames)),
      ),
      connection.on('viewer:count:update', ({ viewerCount }) => this.#host.viewers(viewerCount)),
      connection.on('stream:error', ({ message, retryAfterMs }) => this.#refused(message, retryAfterMs)),
      connection.watch((state) => {
        this.#change({ connection: this.#link === LINK.open ? CONNECTION.online : state });
        if (state === CONNECTION.online) this.#join();
      }),
    );
  }

  #join(): void {
    const isFed = this.#route === 'socketio';
    const { streamKey } = this;
    const before: Situation = { ...this.#situation, join: 'none' };
    this.#situation = isFed ? { ...before, hasPicture: false } : before;
    if (isFed) this.#fed.restart();
    const asks = isFed ? { streamKey } : { streamKey, media: false as const };
    if (this.#connection?.send('stream:join', asks)) this.#change({ join: 'asked' });
  }

  #joined(payload: {
    stream: WireStream;
    streamerUsername?: string;
    paused?: boolean;
    publisherPresent?: boolean;
  }): void {
    if (payload.stream.streamKey !== this.streamKey) return;
    this.#host.stream(payload.stream, payload.streamerUsername);
    const hasEnded = payload.stream.status === 'ENDED';
    if (!hasEnded) this.#stopKnocking();
    this.#change({
      join: 'joined',
      wasJoined: true,
      hasEnded,
      isPaused: payload.paused ?? false,
      isPublisherLost: payload.stream.status === 'ACTIVE' && payload.publisherPresent === false,
    });
    // It had ended, and is there again.
    if (!hasEnded && !this.#path && this.#route !== 'socketio' && !this.#situation.hasFailed) this.#begin();
  }

  #started(stream: WireStream): void {
    if (stream.streamKey !== this.streamKey) return;
    this.#host.stream(stream, undefined);
    this.#stopKnocking();
    this.#change({ hasEnded: false, isPublisherLost: false });
    if (!this.#path && this.#route !== 'socketio') this.#begin();
  }

  #ended(): void {
    this.#change({ hasEnded: true });
    this.#closePath();
    // Of a next stream is told who watched here or asks after the end.
    if (this.#connection && this.#route !== 'socketio') {
      this.#connection.send('stream:join', { streamKey: this.streamKey, media: false });
    }
    // Of the same key, opened again, whoever asks.
    const { server } = this.#options;
    this.#knocking ??= new Knocking(atDoor(doorUrl(server, this.streamKey)), !document.hidden, () => this.#again());
  }

  #stopKnocking(): void {
    this.#knocking?.stop();
    this.#knocking = undefined;
  }

  /** The stream that ended is there again. */
  #again(): void {
    this.#knocking = undefined;
    if (this.#connection && this.#route !== 'socketio') this.#join();
    this.#begin();
  }

  #refused(message: string, retryAfterMs = RETRY_MS): void {
    if (this.#situation.join !== 'asked') return;
    if (message === REFUSAL.streamNotFound) {
      this.#change({ join: 'refused' });
      this.#closePath();
      return;
    }
    // Full or too busy: the server says when it is worth to knock again.
    clearTimeout(this.#retryTimer);
    this.#retryTimer = window.setTimeout(() => this.#join(), retryAfterMs);
  }

  /** What a joiner is given; everything from before is void. */
  #backlog(frames: WireFrame[]): void {
    if (this.#route !== 'socketio') return;
    this.#closePath();
    this.#fed.restart();
    for (const frame of frames) this.#frame(frame, true);
  }

  #frame(frame: WireFrame, isBacklog: boolean): void {
    if (this.#situation.hasFailed || this.#route !== 'socketio') return;
    const bytes = toBytes(frame.data);
    if (!bytes || bytes.length === 0) return;
    const arrival = performance.now();
    this.#numbers.received(arrival, bytes.length, isBacklog ? 0 : 1);
    this.#fed.take({ bytes, arrival, time: frame.capturedAt ?? frame.timestamp, isBacklog });
  }

  #show<P extends Path | FedPath>(path: P): P {
    this.#closePath();
    this.#path = path;
    this.#host.path(path);
    return path;
  }

  /** What a path may say, as long as it is the one that is shown. */
  #pathHost(): PathHost {
    return {
      serverNow: () => this.#connection?.serverNow() ?? Date.now(),
      shown: (delayMs) => this.#onShown(delayMs),
      sized: (width, height) => this.#host.sized(width, height),
      stalled: () => this.#numbers.stalled(),
      failed: (failure) => this.#fail(failure),
      soundChanged: () => this.#host.soundChanged(),
    };
  }

  #doorHost(): DoorHost {
    const isAlone = () => this.#connection === undefined;
    const alone = (change: Partial<Situation>) => {
      if (isAlone()) this.#change(change);
    };
    return {
      ...this.#pathHost(),
      received: (bytes, frames) => this.#numbers.received(performance.now(), bytes, frames),
      link: (state) => this.#linkChanged(state),
      welcome: (isPaused, isPublisherPresent) => {
        this.#expectTracks();
        alone({ join: 'joined', wasJoined: true, hasEnded: false, isPaused, isPublisherLost: !isPublisherPresent });
      },
      tracksKnown: () => {
        clearTimeout(this.#tracksTimer);
        this.#tracksTimer = undefined;
      },
      paused: (isPaused) => alone({ isPaused }),
      publisher: (isPresent) => alone({ isPublisherLost: !isPresent }),
      viewers: (count) => {
        if (isAlone()) this.#host.viewers(count);
      },
      ended: () => this.#ended(),
      refused: (reason, isFinal) => this.#doorRefused(reason, isFinal),
      skipped: () => this.#numbers.stalled(),
    };
  }

  /** Pictures in a format of their own are passed on over Socket.IO alone: then the native door stays silent. */
  #expectTracks(): void {
    clearTimeout(this.#tracksTimer);
    this.#tracksTimer = window.setTimeout(async () => {
      const timer = this.#tracksTimer;
      const streams = await fetchStreams(AbortSignal.timeout(TRACKS_MAX_MS), this.#options.server).catch(() => []);
      if (timer !== this.#tracksTimer || this.#link !== LINK.open) return;
      const kind = streams.find(({ streamKey }) => streamKey === this.streamKey)?.kind;
      if (kind) this.#fail({ kind: 'no-frames' });
      else this.#expectTracks();
    }, TRACKS_MAX_MS);
  }

  #linkChanged(state: LinkState): void {
    this.#link = state;
    const isOpen = state === LINK.open;
    if (!isOpen && this.#situation.hasPicture) this.#change({ hasPicture: false });
    if (this.#connection) this.#change({ connection: isOpen ? CONNECTION.online : this.#connection.state });
    else this.#change({ connection: isOpen ? CONNECTION.online : CONNECTION.offline });
  }

  #doorRefused(reason: Refusal, isFinal: boolean): void {
    if (reason === 'ended') {
      this.#ended();
    } else if (isFinal) this.#fail(reason === 'no-door' ? { kind: 'no-door' } : { kind: 'broken' });
    else if (reason === 'not-found' && !this.#connection) this.#change({ join: 'refused' });
  }

  #closePath(): void {
    const path = this.#path;
    this.#path = undefined;
    this.#link = undefined;
    clearTimeout(this.#tracksTimer);
    this.#tracksTimer = undefined;
    this.#fed.restart();
    if (!path) return;
    this.#numbers.pathClosed(path.stats().skipped);
    path.close();
  }

  #onShown(delayMs: number | undefined): void {
    this.#numbers.shown(performance.now(), delayMs);
    if (this.#situation.hasPicture) return;
    this.#change({ hasPicture: true });
    this.#tellStats();
  }

  #fail(failure: PathFailure): void {
    // A broken run of bytes may be a cut in the middle: join again and get whole ones. A codec will not get better.
    const isOnline = this.#situation.connection === CONNECTION.online;
    const mayMend = this.#route === 'socketio' && this.#numbers.recentStalls < STALLS_MAX && isOnline;
    if (failure.kind === 'broken' && mayMend && !this.#situation.hasEnded) {
      this.#closePath();
      this.#numbers.stalled();
      this.#rejoin();
      return;
    }
    if (this.#routeAt + 1 < this.#routes.length) {
      this.#routeAt += 1;
      this.#host.fellBack(this.#route, failure);
      this.#change({ hasPicture: false });
      if (this.#route === 'socketio' && this.#connection) {
        this.#closePath();
        this.#rejoin();
      } else this.#begin();
      return;
    }
    this.#host.failed(failure);
    this.#change({ hasFailed: true });
  }

  #rejoin(): void {
    this.#connection?.send('stream:leave', { streamKey: this.streamKey });
    this.#join();
  }

  #change(change: Partial<Situation>): void {
    this.#situation = { ...this.#situation, ...change };
    const state = playerState(this.#situation);
    if (state === this.#state) return;
    this.#state = state;
    this.#host.state(state);
  }

  #tellStats(): void {
    const isFedVideo = this.#fed.kind === 'webm' || this.#route === 'mse';
    this.#host.stats(this.#numbers.stats(this.#path, !isFedVideo));
  }
}
