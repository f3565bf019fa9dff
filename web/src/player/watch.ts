// Watches one stream: takes the best way there is and the next one when it fails, joins again after every cut, and keeps
// state and numbers. Knows no page; `abanico-player` shows what it says.
//
// With a Socket.IO connection of the page, that says what becomes of the stream, and media come beside it over the native
// door. Without one, the native door says both; Socket.IO is then only opened as the last resort, or for signals from peer
// to peer. That way, where it is wanted, is kept beside the one through the server, and `Front` shows one of the two.

import { usesNativeDoor } from '../native/available.ts';
import type { Refusal } from '../native/closing.ts';
import { LINK, type LinkState } from '../native/link.ts';
import { doorUrl } from '../native/messages.ts';
import type { Delivery } from '../peer/delivery.ts';
import { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { REFUSAL, type WireFrame, type WireStream } from '../wire/events.ts';
import { shortTag, watchTokens } from '../wire/identity.ts';
import { toBytes } from '../wire/payload.ts';
import { FedMedia } from './fed-media.ts';
import { FramesPath, mayPlayFrames } from './frames-path.ts';
import { Front, type Side } from './front.ts';
import { atDoor, Knocking } from './knocking.ts';
import { mediaSourceClass } from './media-source.ts';
import { MsePath } from './mse-path.ts';
import type { DoorHost, FedPath, Path, PathFailure, PathHost } from './path.ts';
import type { Room } from './peer-asking.ts';
import { PeerWatch } from './peer-watch.ts';
import { PicturePath } from './picture-path.ts';
import { NOTHING, type PlayerState, playerState, type Situation } from './player-state.ts';
import { type Joined, listenToRoom } from './room-events.ts';
import { TracksAwaited } from './tracks-awaited.ts';
import { type Route, routesFor } from './transport.ts';
import type { WatchHost, WatchOptions } from './watch-host.ts';
import { WatchNumbers } from './watch-numbers.ts';
import { WebmPath } from './webm-path.ts';
import { WhepPath } from './whep-path.ts';

/** Before a refused join is tried again, if the server does not say when. */
const RETRY_MS = 5_000;
/** Numbers are told this often. */
const STATS_EVERY_MS = 500;
/** So many stand-stills in a while, and a break is no longer mended by joining again. */
const STALLS_MAX = 8;

export class Watch {
  readonly #options: WatchOptions;
  readonly #host: WatchHost;
  readonly #stops: (() => void)[] = [];
  readonly #numbers = new WatchNumbers();
  readonly #fed: FedMedia;
  readonly #front: Front;
  readonly #routes: Route[];
  #routeAt = 0;
  #connection: Connection | undefined;
  #isOwnConnection = false;
  #situation: Situation = NOTHING;
  #state: PlayerState;
  /** The way through the server. */
  #path: Path | undefined;
  /** The way from peer to peer, where it can be signalled. */
  #peer: PeerWatch | undefined;
  #delivery: Delivery;
  #link: LinkState | undefined;
  #retryTimer: number | undefined;
  readonly #tracks: TracksAwaited;
  /** Under way while the stream has ended. */
  #knocking: Knocking | undefined;
  #isClosed = false;

  constructor(options: WatchOptions, host: WatchHost) {
    this.#options = options;
    this.#host = host;
    this.#delivery = options.delivery;
    this.#state = playerState(this.#situation);
    this.#tracks = new TracksAwaited(options.server, options.streamKey, {
      noFrames: () => this.#fail({ kind: 'no-frames' }),
      // Nothing comes through the server: perhaps it can be had of the publisher itself, or a person be told that it can.
      nothing: () => {
        if (!this.#connection) this.#connect(options.server);
      },
    });
    this.#front = new Front({
      path: (path, behind) => host.path(path, behind),
      behind: (path) => host.behind(path),
      swapped: (side) => this.#swapped(side),
    });
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
      this.#front.setVisible(!document.hidden);
      if (this.#knocking) this.#knocking.isSeen = !document.hidden;
    };
    document.addEventListener('visibilitychange', visibility);
    this.#stops.push(() => document.removeEventListener('visibilitychange', visibility));
    // After the constructor, so that the owner has this object when it hears of a path.
    queueMicrotask(() => {
      if (this.#isClosed) return;
      if (options.connection) this.#use(options.connection);
      else if (this.#delivery === 'p2p') this.#connect(options.server);
      this.#begin();
    });
  }

  get streamKey(): string {
    return this.#options.streamKey;
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** Another wish, without a gap. */
  set delivery(delivery: Delivery) {
    this.#delivery = delivery;
    if (this.#peer) this.#peer.delivery = delivery;
    else if (delivery === 'p2p' && !this.#connection) this.#connect(this.#options.server);
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#retryTimer);
    this.#stopKnocking();
    this.#peer?.close();
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
      case 'webrtc':
        this.#show(new WhepPath(server, streamKey, this.#doorHost()));
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
    this.#peer = this.#openPeer(connection);
    this.#stops.push(
      ...listenToRoom(connection, this.streamKey, {
        backlog: (frames) => this.#backlog(frames),
        frame: (frame) => this.#frame(frame, false),
        joined: (joined) => this.#joined(joined),
        started: (stream) => this.#started(stream),
        ended: () => this.#ended(),
        next: (key) => this.#host.next(key),
        paused: (isPaused) => this.#paused(isPaused),
        publisher: (isPresent) => {
          this.#change({ isPublisherLost: !isPresent });
          if (isPresent) this.#tellRoom({ isLive: true });
        },
        peersMax: (peersMax) => this.#tellRoom({ peersMax }),
        skipped: (frames) => this.#numbers.skippedByServer(frames),
        viewers: (viewers) => {
          this.#host.viewers(viewers);
          this.#tellRoom({ viewers });
        },
        refused: (message, retryAfterMs) => this.#refused(message, retryAfterMs),
      }),
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
    const token = watchTokens.get(streamKey);
    const shown = token ? { streamKey, token } : { streamKey };
    const asks = isFed ? shown : { ...shown, media: false as const };
    if (this.#connection?.send('stream:join', asks)) this.#change({ join: 'asked' });
  }

  #joined(payload: Joined): void {
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
    this.#tellRoom({
      isLive: payload.stream.status === 'ACTIVE',
      viewers: payload.stream.viewerCount,
      peersMax: payload.peersMax,
      since: performance.now(),
    });
    if (this.#peer) this.#peer.isPaused = payload.paused ?? false;
    // It had ended, and is there again.
    if (!hasEnded && !this.#path && this.#route !== 'socketio' && !this.#situation.hasFailed) this.#begin();
  }

  #started(stream: WireStream): void {
    this.#host.stream(stream, undefined);
    this.#stopKnocking();
    this.#change({ hasEnded: false, isPublisherLost: false });
    this.#tellRoom({ isLive: true, since: performance.now() });
    if (!this.#path && this.#route !== 'socketio') this.#begin();
  }

  #ended(): void {
    this.#change({ hasEnded: true });
    this.#tellRoom({ isLive: false, hasCentral: false, peersMax: undefined });
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
    this.#front.set('central', path);
    return path;
  }

  /** What a path may say, as long as it is the one that is shown. */
  #pathHost(): PathHost {
    return {
      serverNow: () => this.#connection?.serverNow() ?? Date.now(),
      shown: (delayMs) => {
        this.#centralWorks();
        this.#pictured('central', delayMs);
      },
      sounding: () => {
        this.#centralWorks();
        if (this.#front.side === 'central') this.#moves();
      },
      sized: (width, height) => this.#sized('central', width, height),
      stalled: () => {
        if (this.#front.side === 'central') this.#numbers.stalled();
      },
      failed: (failure) => this.#fail(failure),
      soundChanged: () => {
        if (this.#front.side === 'central') this.#host.soundChanged();
      },
    };
  }

  #doorHost(): DoorHost {
    const isAlone = () => this.#connection === undefined;
    const alone = (change: Partial<Situation>) => {
      if (isAlone()) this.#change(change);
    };
    return {
      ...this.#pathHost(),
      received: (bytes, frames) => this.#received('central', bytes, frames),
      link: (state) => this.#linkChanged(state),
      welcome: (isPaused, isPublisherPresent) => {
        this.#tracks.expect();
        alone({ join: 'joined', wasJoined: true, hasEnded: false, isPaused, isPublisherLost: !isPublisherPresent });
      },
      tracksKnown: () => this.#tracks.stop(),
      paused: (isPaused) => {
        if (isAlone()) this.#paused(isPaused);
      },
      publisher: (isPresent) => alone({ isPublisherLost: !isPresent }),
      viewers: (count) => {
        if (isAlone()) this.#host.viewers(count);
      },
      ended: () => this.#ended(),
      refused: (reason, isFinal) => this.#doorRefused(reason, isFinal),
      skipped: () => this.#numbers.stalled(),
    };
  }

  #linkChanged(state: LinkState): void {
    this.#link = state;
    const isOpen = state === LINK.open;
    if (!isOpen && this.#situation.hasPicture && this.#front.side === 'central') this.#change({ hasPicture: false });
    this.#change({ connection: isOpen ? CONNECTION.online : (this.#connection?.state ?? CONNECTION.offline) });
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
    this.#tracks.stop();
    this.#fed.restart();
    if (!path) return;
    this.#numbers.pathClosed(path.stats().skipped);
    path.close(this.#situation.hasEnded);
    this.#front.set('central', undefined);
  }

  #openPeer(connection: Connection): PeerWatch | undefined {
    if (typeof RTCPeerConnection === 'undefined') return undefined;
    return new PeerWatch(connection, this.streamKey, this.#delivery, {
      opened: (path, pulse) => this.#front.set('peer', path, pulse),
      closed: () => {
        const wasShown = this.#front.side === 'peer';
        this.#front.set('peer', undefined);
        if (wasShown && !this.#situation.hasEnded) this.#change({ hasPicture: false });
      },
      usable: (isUsable) => this.#front.want(isUsable ? 'peer' : 'central'),
      shown: (delayMs) => this.#pictured('peer', delayMs),
      sized: (width, height) => this.#sized('peer', width, height),
      soundChanged: () => {
        if (this.#front.side === 'peer') this.#host.soundChanged();
      },
      received: (bytes, frames) => this.#received('peer', bytes, frames),
      route: () => this.#route,
      state: (state) => this.#host.peer(state),
    });
  }

  #swapped(side: Side): void {
    this.#numbers.swapped();
    const element = this.#front.path?.element;
    if (element instanceof HTMLVideoElement) this.#sized(side, element.videoWidth, element.videoHeight);
    else if (element) this.#sized(side, element.width, element.height);
    this.#change({});
    this.#tellStats();
    if (this.#peer) this.#peer.isShown = side === 'peer';
  }

  #tellRoom(change: Partial<Room>): void {
    this.#peer?.tell(change);
  }

  #paused(isPaused: boolean): void {
    if (this.#peer) this.#peer.isPaused = isPaused;
    this.#change({ isPaused });
  }

  #received(side: Side, bytes: number, frames: number): void {
    if (side === this.#front.side) this.#numbers.received(performance.now(), bytes, frames);
  }

  #sized(side: Side, width: number, height: number): void {
    if (side === this.#front.side && width > 0) this.#host.sized(width, height);
  }

  #pictured(side: Side, delayMs: number | undefined): void {
    if (!this.#front.pictured(side, delayMs)) return;
    // It may have taken nobody's place.
    if (side === 'peer' && this.#peer) this.#peer.isShown = true;
    this.#numbers.shown(performance.now(), delayMs);
    this.#moves();
  }

  #centralWorks(): void {
    // It may have failed with what was published before.
    if (this.#situation.hasFailed) this.#change({ hasFailed: false });
    this.#tellRoom({ hasCentral: true });
  }

  #moves(): void {
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
      if (this.#front.side === 'central') this.#change({ hasPicture: false });
      if (this.#route === 'socketio' && this.#connection) {
        this.#closePath();
        this.#rejoin();
      } else this.#begin();
      return;
    }
    this.#host.failed(failure);
    this.#change(this.#front.side === 'central' ? { hasFailed: true, hasPicture: false } : { hasFailed: true });
  }

  #rejoin(): void {
    this.#connection?.send('stream:leave', { streamKey: this.streamKey });
    this.#join();
  }

  #change(change: Partial<Situation>): void {
    this.#situation = { ...this.#situation, ...change };
    const state = playerState(this.#seen());
    // What a way says while it is closed is no loss: nobody watches any more.
    if (state === this.#state || this.#isClosed) return;
    this.#state = state;
    this.#host.state(state);
  }

  /** A picture from peer to peer does not need the server. */
  #seen(): Situation {
    const situation = this.#situation;
    if (this.#front.side !== 'peer' || !situation.hasPicture || situation.join === 'none') return situation;
    return { ...situation, connection: CONNECTION.online, join: 'joined', isPublisherLost: false, hasFailed: false };
  }

  #tellStats(): void {
    const isCounted = this.#front.side === 'peer' || !(this.#fed.kind === 'webm' || this.#route === 'mse');
    this.#host.stats(this.#numbers.stats(this.#front.path, isCounted));
  }
}
