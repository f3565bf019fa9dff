// One person's stream from first connection to its end: creates it, or comes back to it; captures while it is live and
// connected; sends less when the network does not keep up; keeps the numbers.
//
// Three ways to send, each the next one's better: encoded frames over the native door, a recorder's WebM, and JPEG
// pictures, both over Socket.IO. What a browser cannot do is found out by trying, and said.
//
// Invariant: nothing is captured for a socket that cannot take it, and nothing is sent later than it was captured.

import { usesNativeDoor } from '../native/available.ts';
import type { Refusal } from '../native/closing.ts';
import { LINK, type LinkState } from '../native/link.ts';
import { doorUrl } from '../native/messages.ts';
import { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { REFUSAL, type WireStream } from '../wire/events.ts';
import { lastPublished, type PublishRight } from '../wire/identity.ts';
import { RateMeter } from '../wire/rate-meter.ts';
import { FramesCapture, maySendFrames } from './frames/frames-capture.ts';
import type { FramesStats } from './frames/messages.ts';
import { BitrateLadder, mayMakePicture } from './overload.ts';
import { type PictureCapture, startPictureCapture } from './picture-capture.ts';
import { type FramesSettings, fallbackOf, type Settings, type VideoSettings } from './presets.ts';
import { Problem } from './problem.ts';
import { PUBLISHER, type PublisherState } from './publisher-state.ts';
import type { Source } from './source.ts';
import { canRecord, startVideoCapture, type VideoCapture } from './video-capture.ts';

const STATS_EVERY_MS = 500;
const POSTER_EVERY_MS = 5_000;
const POSTER_BYTES_MAX = 65_536;
const POSTER_LIMITS = { width: 480, height: 270, everyMs: POSTER_EVERY_MS, quality: 0.6 } as const;
const DRAIN_CHECK_MS = 250;

export interface PublishStats {
  viewers: number;
  kilobitsPerSecond: number;
  way: Settings['kind'];
  /** What the pictures are encoded as, where this page does it. */
  codec: string | undefined;
  /** Pictures or chunks. */
  sent: number;
  dropped: number;
  liveSince: number | undefined;
  /** What the encoder is asked for now; undefined for pictures. */
  bitsPerSecond: number | undefined;
}

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
  /** To come back to a stream; a new one is created without. */
  right?: PublishRight | undefined;
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
  readonly #uplink = new RateMeter();
  #source: Source;
  #settings: Settings;
  #right: PublishRight | undefined;
  #state: PublisherState = PUBLISHER.idle;
  #isPaused = false;
  /** A start was asked for and has not been answered. */
  #isClaiming = false;
  /** What is really done: the wish, or what it fell back to. */
  #way: Settings;
  #frames: FramesCapture | undefined;
  #framesBefore = { sent: 0, dropped: 0 };
  #link: LinkState = LINK.connecting;
  #codec: string | undefined;
  #framesBitrate: number | undefined;
  #pictures: PictureCapture | undefined;
  #video: VideoCapture | undefined;
  #poster: PictureCapture | undefined;
  #ladder: BitrateLadder | undefined;
  #drainTimer: number | undefined;
  #statsTimer: number | undefined;
  #viewers = 0;
  #sent = 0;
  #dropped = 0;
  #liveSince: number | undefined;

  constructor({ username, server, source, settings, right }: PublishOptions, host: PublishHost) {
    this.#host = host;
    this.#source = source;
    this.#settings = settings;
    this.#way = settings;
    this.#right = right;
    this.connection = new Connection(username, 'STREAMER', server);
    const { connection } = this;
    connection.on('stream:created', ({ stream, publishToken }) => this.#created(stream, publishToken ?? ''));
    connection.on('stream:started', ({ stream }) => this.#started(stream));
    connection.on('stream:ended', ({ stream }) => {
      if (stream.streamKey === this.streamKey) this.#finish();
    });
    connection.on('stream:error', ({ message, error }) => this.#refused(message, error ?? ''));
    connection.on('stream:warning', ({ code, message }) => host.notice({ kind: 'warning', code, message }));
    connection.on('viewer:count:update', ({ viewerCount }) => {
      this.#viewers = viewerCount;
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
    else connection.send('stream:create');
  }

  #created(stream: WireStream, publishToken: string): void {
    this.#right = { streamKey: stream.streamKey, publishToken };
    lastPublished.set({ ...this.#right, username: this.connection.username });
    this.#host.stream(stream);
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
    this.#viewers = stream.viewerCount;
    this.#liveSince ??= stream.startedAt ? this.#toLocal(Date.parse(stream.startedAt)) : Date.now();
    this.#host.stream(stream);
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
    this.#set(this.#liveSince === undefined ? PUBLISHER.connecting : PUBLISHER.reconnecting);
  }

  #refused(message: string, error: string): void {
    // Chat limits and the like are refused while live; they end nothing.
    if (this.#state === PUBLISHER.live || this.#state === PUBLISHER.paused) {
      this.#host.problem(new Problem('refused', message));
      return;
    }
    if (message === REFUSAL.streamNotFound) this.#give(new Problem('stream-gone', message));
    else if (error === REFUSAL.alreadyStreaming) this.#give(new Problem('already-live', error));
    else this.#give(new Problem('refused', message));
  }

  #give(problem: Problem): void {
    this.#host.problem(problem);
    this.#finish();
  }

  #finish(): void {
    if (this.#state === PUBLISHER.ended) return;
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
      if (settings.kind === 'picture') {
        const everyMs = 1_000 / settings.framesPerSecond;
        const { width, height, jpegQuality: quality } = settings;
        this.#pictures = startPictureCapture(
          this.#source.video,
          { width, height, everyMs, quality },
          {
            mayGo: () => this.#mayMakePicture(),
            picture: (bytes, capturedAt) => this.#send(bytes, capturedAt),
            dropped: () => {
              this.#dropped += 1;
            },
          },
        );
      } else {
        this.#ladder = new BitrateLadder(settings.bitsPerSecond, performance.now());
        this.#record(settings);
        this.#makePosters();
      }
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
    this.#stopSocketCapture();
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
        stats: (stats) => this.#framesStats(stats),
        bitrate: (change, kilobits) => this.#host.notice({ kind: `bitrate-${change}`, kilobits }),
        warning: (code, message) => this.#host.notice({ kind: 'warning', code, message }),
        still: (jpeg) => this.#sendPoster(jpeg),
        ended: () => this.#finish(),
        refused: (reason, message, isFinal) => this.#doorRefused(reason, message, isFinal),
        unable: (message) => this.#fallBack(message),
      });
    }
  }

  #linkChanged(state: LinkState): void {
    this.#link = state;
    const isCut = state === LINK.cut || state === LINK.connecting;
    if (isCut && this.#state === PUBLISHER.live) this.#set(PUBLISHER.reconnecting);
  }

  #linkReady(): void {
    if (this.#state === PUBLISHER.reconnecting) this.#set(this.#isPaused ? PUBLISHER.paused : PUBLISHER.live);
  }

  #framesStats(stats: FramesStats): void {
    this.#sent += stats.sent - this.#framesBefore.sent;
    this.#dropped += stats.dropped - this.#framesBefore.dropped;
    this.#framesBefore = { sent: stats.sent, dropped: stats.dropped };
    this.#framesBitrate = stats.bitsPerSecond;
    this.#uplink.add(performance.now(), stats.bytes);
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

  #makePosters(): void {
    try {
      this.#poster = startPictureCapture(this.#source.video, POSTER_LIMITS, {
        mayGo: () => this.#mayMakePicture(),
        picture: (data) => this.#sendPoster(data),
        dropped: () => {},
      });
    } catch {
      // A stream without a still is a stream.
    }
  }

  #record(settings: VideoSettings): void {
    const ladder = this.#ladder;
    if (!ladder) return;
    this.#video = startVideoCapture(this.#source.stream, settings, ladder.bitsPerSecond, {
      chunk: (bytes, capturedAt) => {
        this.#send(bytes, capturedAt);
        this.#relieve(settings, ladder);
      },
      broken: (problem) => this.#host.problem(problem),
    });
    if (this.#video.mimeType.startsWith('video/mp4')) this.#host.notice({ kind: 'mp4-only' });
  }

  /** Begins another recorder when this one's bytes pile up, or when there has long been room for more. */
  #relieve(settings: VideoSettings, ladder: BitrateLadder): void {
    const verdict = ladder.judge(this.connection.bytesUnderWay(), performance.now());
    if (verdict === 'go-on') return;
    this.#video?.stop();
    this.#video = undefined;
    if (verdict === 'less') this.#dropped += 1;
    const kilobits = Math.round(ladder.bitsPerSecond / 1_000);
    this.#host.notice({ kind: verdict === 'less' ? 'bitrate-lowered' : 'bitrate-raised', kilobits });
    clearInterval(this.#drainTimer);
    this.#drainTimer = window.setInterval(() => {
      if (!ladder.hasDrained(this.connection.bytesUnderWay())) {
        this.connection.probe();
        return;
      }
      clearInterval(this.#drainTimer);
      if (this.#state === PUBLISHER.live) this.#record(settings);
    }, DRAIN_CHECK_MS);
  }

  /** While paused the native door stays ours; whatever goes over Socket.IO stops. */
  #rest(): void {
    this.#stopSocketCapture();
    this.#frames?.setPaused(true);
  }

  #stopCapture(): void {
    this.#frames?.stop();
    this.#frames = undefined;
    this.#framesBefore = { sent: 0, dropped: 0 };
    this.#framesBitrate = undefined;
    this.#stopSocketCapture();
  }

  #stopSocketCapture(): void {
    clearInterval(this.#drainTimer);
    this.#pictures?.stop();
    this.#video?.stop();
    this.#poster?.stop();
    this.#pictures = undefined;
    this.#video = undefined;
    this.#poster = undefined;
  }

  #mayMakePicture(): boolean {
    const { connection } = this;
    return connection.state === CONNECTION.online && mayMakePicture(connection.bytesUnsent(), connection.lateMs());
  }

  #send(data: ArrayBuffer, capturedAtLocal: number): void {
    const streamKey = this.streamKey;
    if (streamKey === undefined || this.#state !== PUBLISHER.live) return;
    const capturedAt = Math.round(this.connection.clock.toServer(capturedAtLocal));
    if (!this.connection.sendMedia({ streamKey, data, capturedAt })) {
      this.#dropped += 1;
      return;
    }
    this.#sent += 1;
    this.#uplink.add(performance.now(), data.byteLength);
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
    this.#host.state(state);
  }

  #tellStats(): void {
    const now = performance.now();
    this.#host.stats({
      viewers: this.#viewers,
      kilobitsPerSecond: (this.#uplink.perSecond(now) * 8) / 1_000,
      sent: this.#sent,
      dropped: this.#dropped,
      liveSince: this.#liveSince,
      way: this.#way.kind,
      codec: this.#codec,
      bitsPerSecond: this.#way.kind === 'video' ? this.#ladder?.bitsPerSecond : this.#framesBitrate,
    });
  }
}
