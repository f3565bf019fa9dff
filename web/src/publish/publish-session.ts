// One person's stream from first connection to its end: creates it, or comes back to it; captures while it is live and
// connected.
//
// Three ways to send, each the next one's better: encoded frames over the native door, a recorder's WebM, and JPEG
// pictures, both over Socket.IO. What a browser cannot do is found out by trying, and said.

import { usesNativeDoor } from '../native/available.ts';
import type { Refusal } from '../native/closing.ts';
import { LINK, type LinkState } from '../native/link.ts';
import { doorUrl } from '../native/messages.ts';
import type { Delivery } from '../peer/delivery.ts';
import { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { KEY_REFUSALS, REFUSAL, type WireStream } from '../wire/events.ts';
import { lastPublished, type PublishRight } from '../wire/identity.ts';
import { FramesCapture, maySendFrames } from './frames/frames-capture.ts';
import { PeerAudience } from './peer-audience.ts';
import { expectedBitsPerSecond, type FramesSettings, fallbackOf, type Settings } from './presets.ts';
import { Problem } from './problem.ts';
import { PublishNumbers, type PublishStats } from './publish-numbers.ts';
import { PUBLISHER, type PublisherState } from './publisher-state.ts';
import { SocketCapture } from './socket-capture.ts';
import type { Source } from './source.ts';
import { canRecord } from './video-capture.ts';

const STATS_EVERY_MS = 500;
const POSTER_BYTES_MAX = 65_536;

export type Notice =
  | { kind: 'bitrate-lowered' | 'bitrate-raised'; kilobits: number }
  | { kind: 'mp4-only' }
  /** The wished way cannot be had: this one is taken. */
  | { kind: 'fell-back'; to: Settings['kind']; reason: string }
  | { kind: 'warning'; code: string; message: string };

export interface PublishOptions {
  username: string;
  server?: string;
  source: Source;
  settings: Settings;
  /** Who sends to the viewers: the server, this page, or as it is best. */
  delivery?: Delivery;
  /** To come back to a stream; a new one is created without. */
  right?: PublishRight | undefined;
  /** The operator's key, to create one where the server asks for it. */
  key?: string | undefined;
  /** A new one is in no list, and watched with links that its publisher makes. */
  isPrivate?: boolean;
}

export interface PublishHost {
  state(state: PublisherState): void;
  stats(stats: PublishStats): void;
  stream(stream: WireStream): void;
  problem(problem: Problem): void;
  notice(notice: Notice): void;
}

export class PublishSession {
  readonly connection: Connection;
  readonly #host: PublishHost;
  readonly #numbers = new PublishNumbers();
  readonly #socketCapture: SocketCapture;
  /** Where the browser can: those who are served straight from this page. */
  readonly #peers: PeerAudience | undefined;
  #source: Source;
  #settings: Settings;
  #right: PublishRight | undefined;
  readonly #key: string | undefined;
  readonly #isPrivate: boolean;
  #state: PublisherState = PUBLISHER.idle;
  #isPaused = false;
  /** A start was asked for and has not been answered. */
  #isClaiming = false;
  /** What is really done: the wish, or what it fell back to. */
  #way: Settings;
  #frames: FramesCapture | undefined;
  #link: LinkState = LINK.connecting;
  #codec: string | undefined;
  #framesBitrate: number | undefined;
  #statsTimer: number | undefined;

  constructor(
    { username, server, source, settings, delivery = 'auto', right, key, isPrivate = false }: PublishOptions,
    host: PublishHost,
  ) {
    this.#host = host;
    this.#source = source;
    this.#settings = settings;
    this.#way = settings;
    this.#right = right;
    this.#key = key || undefined;
    this.#isPrivate = isPrivate;
    this.connection = new Connection(username, 'STREAMER', server);
    const { connection } = this;
    this.#socketCapture = new SocketCapture(connection, {
      liveKey: () => (this.#state === PUBLISHER.live ? this.streamKey : undefined),
      sent: (bytes) => this.#numbers.sent(bytes),
      dropped: () => this.#numbers.dropped(),
      still: (jpeg) => this.#sendPoster(jpeg),
      bitrate: (change, kilobits) => this.#bitrateChanged(change, kilobits),
      mp4Only: () => host.notice({ kind: 'mp4-only' }),
      broken: (problem) => host.problem(problem),
    });
    if (typeof RTCPeerConnection !== 'undefined') {
      this.#peers = new PeerAudience(connection, () => this.streamKey, delivery, {
        wanted: (max) => connection.send('stream:peers', { streamKey: this.streamKey ?? '', max }),
      });
    }
    connection.on('stream:created', ({ stream, publishToken }) => this.#created(stream, publishToken ?? ''));
    connection.on('stream:started', ({ stream }) => this.#started(stream));
    connection.on('stream:ended', ({ stream }) => {
      if (stream.streamKey === this.streamKey) this.#finish();
    });
    connection.on('stream:error', ({ message, error, code }) => this.#refused(message, error ?? '', code));
    connection.on('stream:warning', ({ code, message }) => host.notice({ kind: 'warning', code, message }));
    connection.on('viewer:count:update', ({ viewerCount }) => {
      this.#numbers.viewers = viewerCount;
    });
  }

  /** Ends a stream of an earlier page, without publishing. */
  static endFrom(username: string, right: PublishRight): void {
    const connection = new Connection(username, 'STREAMER');
    connection.on('stream:ended', () => connection.close());
    connection.on('stream:error', () => connection.close());
    connection.watch((state) => {
      if (state === CONNECTION.online) connection.send('stream:end', right);
    });
    connection.open();
  }

  get streamKey(): string | undefined {
    return this.#right?.streamKey;
  }

  get right(): PublishRight | undefined {
    return this.#right;
  }

  get state(): PublisherState {
    return this.#state;
  }

  /** Another wish, without leaving the stream or a viewer without a picture. */
  set delivery(delivery: Delivery) {
    if (this.#peers) this.#peers.delivery = delivery;
  }

  start(): void {
    this.#set(PUBLISHER.connecting);
    this.connection.watch((state) => {
      if (state === CONNECTION.online) this.#claim();
      else if (state === CONNECTION.offline) this.#cutOff();
    });
    this.connection.open();
    this.#statsTimer = window.setInterval(() => this.#tellStats(), STATS_EVERY_MS);
  }

  /** Takes another picture, sound or quality without leaving the stream. */
  change(source: Source, settings: Settings): void {
    this.#source = source;
    this.#settings = settings;
    this.#way = settings;
    this.#feedPeers();
    if (this.#state === PUBLISHER.live) this.#capture();
  }

  setPaused(paused: boolean): void {
    if (this.#state !== PUBLISHER.live && this.#state !== PUBLISHER.paused) return;
    this.#isPaused = paused;
    this.#sendControl('stream:pause', { paused });
    if (paused) this.#rest();
    else this.#capture();
    this.#set(paused ? PUBLISHER.paused : PUBLISHER.live);
  }

  /** Goes away without ending the stream: it waits for a while for who shows its token. */
  leave(): void {
    this.#peers?.close();
    this.#stopCapture();
    clearInterval(this.#statsTimer);
    this.connection.close();
  }

  /** Ends the stream for everybody. */
  end(): void {
    this.#sendControl('stream:end', {});
    this.#finish();
  }

  #claim(): void {
    const { connection } = this;
    this.#isClaiming = true;
    if (this.#right) this.#claimStart(this.#right);
    else if (this.#key || this.#isPrivate) {
      const wish = this.#isPrivate ? { private: true as const } : {};
      connection.send('stream:create', this.#key ? { ...wish, key: this.#key } : wish);
    } else connection.send('stream:create');
  }

  #created(stream: WireStream, publishToken: string): void {
    this.#right = { streamKey: stream.streamKey, publishToken };
    lastPublished.set({ ...this.#right, username: this.connection.username });
    this.#claimStart(this.#right);
  }

  #claimStart(right: PublishRight): void {
    this.connection.send('stream:start', this.#way.kind === 'frames' ? { ...right, media: false } : right);
  }

  #started(stream: WireStream): void {
    if (stream.streamKey !== this.streamKey || this.#state === PUBLISHER.ended) return;
    if (!this.#isClaiming) {
      // Somebody with the same token started it: another tab or device has the seat now. Of a seat at the native door
      // the door itself tells.
      if (!this.#frames) this.#give(new Problem('taken-over'));
      return;
    }
    this.#isClaiming = false;
    this.#peers?.started();
    this.#numbers.viewers = stream.viewerCount;
    if (this.#numbers.liveSince === undefined) this.#host.stream(stream);
    this.#numbers.liveSince ??= stream.startedAt ? this.#toLocal(Date.parse(stream.startedAt)) : Date.now();
    if (this.#isPaused) {
      this.#sendControl('stream:pause', { paused: true });
      this.#set(PUBLISHER.paused);
      return;
    }
    if (this.#state === PUBLISHER.live) return;
    this.#set(PUBLISHER.live);
    this.#capture();
  }

  #cutOff(): void {
    if (this.#state === PUBLISHER.ended) return;
    // The picture goes its own way and may well be there still.
    if (this.#frames && this.#link === LINK.open) return;
    if (!this.#frames) this.#stopCapture();
    this.#set(this.#numbers.liveSince === undefined ? PUBLISHER.connecting : PUBLISHER.reconnecting);
  }

  #refused(message: string, error: string, code: string | undefined): void {
    // Chat limits and the like are refused while live; they end nothing.
    if (this.#state === PUBLISHER.live || this.#state === PUBLISHER.paused) {
      this.#host.problem(new Problem('refused', message));
      return;
    }
    const aboutKey = KEY_REFUSALS.find((refusal) => refusal === code);
    if (aboutKey) this.#give(new Problem(aboutKey, error));
    else if (message === REFUSAL.streamNotFound || message === REFUSAL.streamOver)
      this.#give(new Problem('stream-gone', message));
    else if (error === REFUSAL.alreadyStreaming) this.#give(new Problem('already-live', error));
    else this.#give(new Problem('refused', message));
  }

  #give(problem: Problem): void {
    this.#host.problem(problem);
    this.#finish();
  }

  #finish(): void {
    if (this.#state === PUBLISHER.ended) return;
    this.#peers?.close();
    this.#stopCapture();
    clearInterval(this.#statsTimer);
    lastPublished.clear();
    this.#tellStats();
    this.#set(PUBLISHER.ended);
    this.connection.close();
  }

  #capture(): void {
    if (this.#way.kind === 'frames') {
      this.#captureFrames(this.#way);
      return;
    }
    this.#stopCapture();
    const settings = this.#way;
    try {
      this.#socketCapture.start(this.#source, settings);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem('unknown', String(error));
      if (settings === this.#settings || !this.#fallBack(problem.detail)) {
        this.#host.problem(problem);
        this.setPaused(true);
      }
    }
  }

  #captureFrames(settings: FramesSettings): void {
    const { streamKey } = this;
    if (streamKey === undefined) return;
    const tracks = { video: this.#source.video, audio: this.#source.audio };
    if (!usesNativeDoor() || !maySendFrames(tracks)) {
      this.#fallBack('');
      return;
    }
    this.#socketCapture.stop();
    if (this.#frames) {
      this.#frames.change(tracks, settings);
      this.#frames.setPaused(false);
    } else {
      const url = doorUrl(this.connection.server, streamKey);
      this.#link = LINK.connecting;
      this.#frames = new FramesCapture(url, this.#right?.publishToken || undefined, tracks, settings, {
        link: (state) => this.#linkChanged(state),
        ready: () => this.#linkReady(),
        codec: (codec) => {
          this.#codec = codec;
        },
        stats: (stats) => {
          this.#framesBitrate = stats.bitsPerSecond;
          this.#numbers.frames(stats);
        },
        bitrate: (change, kilobits) => this.#bitrateChanged(change, kilobits),
        warning: (code, message) => this.#host.notice({ kind: 'warning', code, message }),
        still: (jpeg) => this.#sendPoster(jpeg),
        ended: () => this.#finish(),
        refused: (reason, message, isFinal) => this.#doorRefused(reason, message, isFinal),
        unable: (message) => this.#fallBack(message),
      });
    }
  }

  #bitrateChanged(change: 'lowered' | 'raised', kilobits: number): void {
    this.#peers?.centralChanged(change);
    this.#host.notice({ kind: `bitrate-${change}`, kilobits });
  }

  /** Whoever is served straight from here gets the picture as long as it is live, whatever way the server's takes. */
  #feedPeers(): void {
    if (!this.#peers) return;
    const isLive = this.#numbers.liveSince !== undefined && !this.#isPaused && this.#state !== PUBLISHER.ended;
    const { video, audio } = this.#source;
    const settings = this.#settings;
    this.#peers.media = {
      video: isLive && video.readyState === 'live' ? video : null,
      audio: (isLive && settings.kind !== 'picture' && audio) || null,
      bitsPerSecond: Math.round(expectedBitsPerSecond(settings)),
      framesPerSecond: settings.framesPerSecond,
    };
  }

  #linkChanged(state: LinkState): void {
    this.#link = state;
    const isCut = state === LINK.cut || state === LINK.connecting;
    if (isCut && this.#state === PUBLISHER.live) this.#set(PUBLISHER.reconnecting);
  }

  #linkReady(): void {
    if (this.#state === PUBLISHER.reconnecting) this.#set(this.#isPaused ? PUBLISHER.paused : PUBLISHER.live);
  }

  #doorRefused(reason: Refusal, message: string, isFinal: boolean): void {
    if (!isFinal) return;
    switch (reason) {
      case 'replaced':
        this.#give(new Problem('taken-over'));
        break;
      case 'ended':
        this.#finish();
        break;
      case 'not-found':
        this.#give(new Problem('stream-gone', message));
        break;
      default:
        this.#fallBack(message);
    }
  }

  /** Takes the next best way and says so. False if there is none. */
  #fallBack(reason: string): boolean {
    const next = fallbackOf(this.#way);
    if (!next) return false;
    this.#stopCapture();
    this.#way = next;
    this.#codec = undefined;
    if (next.kind === 'video' && !canRecord()) return this.#fallBack(reason);
    this.#host.notice({ kind: 'fell-back', to: next.kind, reason });
    // The seat must be this connection's again.
    if (this.#right) this.connection.send('stream:start', this.#right);
    this.#isClaiming = true;
    if (this.#state === PUBLISHER.reconnecting) this.#set(PUBLISHER.live);
    if (this.#state === PUBLISHER.live) this.#capture();
    return true;
  }

  #sendPoster(data: ArrayBuffer): void {
    if (data.byteLength <= POSTER_BYTES_MAX) this.#sendControl('stream:poster', { data });
  }

  /** While paused the native door stays ours; whatever goes over Socket.IO stops. */
  #rest(): void {
    this.#socketCapture.stop();
    this.#frames?.setPaused(true);
  }

  #stopCapture(): void {
    this.#frames?.stop();
    this.#frames = undefined;
    this.#numbers.framesOver();
    this.#framesBitrate = undefined;
    this.#socketCapture.stop();
  }

  #sendControl(event: 'stream:pause', payload: { paused: boolean }): void;
  #sendControl(event: 'stream:poster', payload: { data: ArrayBuffer }): void;
  #sendControl(event: 'stream:end', payload: Record<string, never>): void;
  #sendControl(event: 'stream:pause' | 'stream:poster' | 'stream:end', payload: object): void {
    if (this.#right) this.connection.send(event, { ...this.#right, ...payload } as never);
  }

  #toLocal(serverTime: number): number {
    return serverTime - this.connection.clock.offset;
  }

  #set(state: PublisherState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#feedPeers();
    this.#host.state(state);
  }

  #tellStats(): void {
    const { kind } = this.#way;
    const bitsPerSecond = kind === 'video' ? this.#socketCapture.bitsPerSecond : this.#framesBitrate;
    this.#host.stats(
      this.#numbers.stats({ way: kind, codec: this.#codec, bitsPerSecond, peers: this.#peers?.viewers ?? [] }),
    );
  }
}
