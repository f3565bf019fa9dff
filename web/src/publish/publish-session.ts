// One person's stream from first connection to its end: creates it, or comes back to it; captures while it is live and
// connected; sends less when the network does not keep up; keeps the numbers.
//
// Invariant: nothing is captured for a socket that cannot take it, and nothing is sent later than it was captured.

import { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { REFUSAL, type WireStream } from '../wire/events.ts';
import { lastPublished, type PublishRight } from '../wire/identity.ts';
import { RateMeter } from '../wire/rate-meter.ts';
import { BitrateLadder, mayMakePicture } from './overload.ts';
import { type PictureCapture, startPictureCapture } from './picture-capture.ts';
import type { Settings, VideoSettings } from './presets.ts';
import { Problem } from './problem.ts';
import { PUBLISHER, type PublisherState } from './publisher-state.ts';
import type { Source } from './source.ts';
import { startVideoCapture, type VideoCapture } from './video-capture.ts';

const STATS_EVERY_MS = 500;
const POSTER_EVERY_MS = 5_000;
const POSTER_BYTES_MAX = 65_536;
const POSTER_LIMITS = { width: 480, height: 270, everyMs: POSTER_EVERY_MS, quality: 0.6 } as const;
const DRAIN_CHECK_MS = 250;

export interface PublishStats {
  viewers: number;
  kilobitsPerSecond: number;
  /** Pictures or chunks. */
  sent: number;
  dropped: number;
  liveSince: number | undefined;
  /** What the recorder is asked for now; undefined for pictures. */
  bitsPerSecond: number | undefined;
}

export type Notice =
  | { kind: 'bitrate-lowered' | 'bitrate-raised'; kilobits: number }
  | { kind: 'mp4-only' }
  | { kind: 'warning'; code: string; message: string };

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

  constructor(username: string, source: Source, settings: Settings, host: PublishHost, right?: PublishRight) {
    this.#host = host;
    this.#source = source;
    this.#settings = settings;
    this.#right = right;
    this.connection = new Connection(username, 'STREAMER');
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
    if (this.#state === PUBLISHER.live) this.#capture();
  }

  setPaused(paused: boolean): void {
    if (this.#state !== PUBLISHER.live && this.#state !== PUBLISHER.paused) return;
    this.#isPaused = paused;
    this.#sendControl('stream:pause', { paused });
    if (paused) this.#stopCapture();
    else this.#capture();
    this.#set(paused ? PUBLISHER.paused : PUBLISHER.live);
  }

  /** Ends the stream for everybody. */
  end(): void {
    this.#sendControl('stream:end', {});
    this.#finish();
  }

  #claim(): void {
    const { connection } = this;
    this.#isClaiming = true;
    if (this.#right) connection.send('stream:start', this.#right);
    else connection.send('stream:create');
  }

  #created(stream: WireStream, publishToken: string): void {
    this.#right = { streamKey: stream.streamKey, publishToken };
    lastPublished.set({ ...this.#right, username: this.connection.username });
    this.#host.stream(stream);
    this.connection.send('stream:start', this.#right);
  }

  #started(stream: WireStream): void {
    if (stream.streamKey !== this.streamKey || this.#state === PUBLISHER.ended) return;
    if (!this.#isClaiming) {
      // Somebody with the same token started it: another tab or device has the seat now.
      this.#give(new Problem('taken-over'));
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
    this.#stopCapture();
    if (this.#state === PUBLISHER.ended) return;
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
    this.#stopCapture();
    const settings = this.#settings;
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
        this.#poster = startPictureCapture(this.#source.video, POSTER_LIMITS, {
          mayGo: () => this.#mayMakePicture(),
          picture: (data) => {
            if (data.byteLength <= POSTER_BYTES_MAX) this.#sendControl('stream:poster', { data });
          },
          dropped: () => {},
        });
      }
    } catch (error) {
      this.#host.problem(error instanceof Problem ? error : new Problem('unknown', String(error)));
      this.setPaused(true);
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

  #stopCapture(): void {
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
      bitsPerSecond: this.#settings.kind === 'video' ? this.#ladder?.bitsPerSecond : undefined,
    });
  }
}
