// Watches one stream over a connection: joins, joins again after every cut, chooses the path by what comes, and keeps
// state and numbers. Knows no page; `live-player` shows what it says.

import type { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { REFUSAL, type WireFrame, type WireStream } from '../wire/events.ts';
import { concat, isPicture, mayBeginWebm, SNIFF_BYTES, sniff, toBytes } from '../wire/payload.ts';
import { RateMeter } from '../wire/rate-meter.ts';
import type { Incoming, Path, PathFailure, PathHost } from './path.ts';
import { PicturePath } from './picture-path.ts';
import { NOTHING, type PlayerState, playerState, type Situation } from './player-state.ts';
import { type Quality, quality } from './quality.ts';
import { WebmPath } from './webm-path.ts';

/** Before a refused join is tried again, if the server does not say when. */
const RETRY_MS = 5_000;
/** Numbers are told this often. */
const STATS_EVERY_MS = 500;
/** How long a stand-still counts against the quality. */
const STALL_MEMORY_MS = 10_000;
/** Rates need so long to mean anything. */
const SETTLED_AFTER_MS = 3_000;
/** So many stand-stills within that time, and a break is no longer mended by joining again. */
const STALLS_MAX = 8;

export interface WatchStats {
  path: Path['name'] | undefined;
  /** Pictures shown since the start. */
  frames: number;
  /** From the wish to watch to the first picture. */
  firstPictureMs: number | undefined;
  shownPerSecond: number;
  kilobitsPerSecond: number;
  skipped: number;
  delayMs: number | undefined;
  bufferMs: number;
  quality: Quality;
}

/** What the owner hears. */
export interface WatchHost {
  state(state: PlayerState): void;
  stats(stats: WatchStats): void;
  stream(stream: WireStream, streamerUsername: string | undefined): void;
  /** A new path: show its element in place of the one before. */
  path(path: Path): void;
  sized(width: number, height: number): void;
  failed(failure: PathFailure): void;
  /** The stream ended and its publisher has started another one. */
  next(streamKey: string): void;
}

export class Watch {
  readonly #connection: Connection;
  readonly #host: WatchHost;
  readonly #stops: (() => void)[] = [];
  readonly #shown = new RateMeter();
  readonly #arrived = new RateMeter();
  readonly #bytes = new RateMeter();
  #streamKey: string;
  #situation: Situation = NOTHING;
  #state: PlayerState;
  #path: Path | undefined;
  #kind: 'picture' | 'webm' | undefined;
  /** First bytes of a stream that are too few to tell what it is. */
  #undecided: Uint8Array<ArrayBuffer>[] = [];
  #frames = 0;
  #skippedByServer = 0;
  #skippedBefore = 0;
  #delayMs: number | undefined;
  #retryTimer: number | undefined;
  /** When the present run of pictures began; before that has lasted a while, no word on the quality. */
  #runningSince: number | undefined;
  readonly #beganAt = performance.now();
  #firstPictureMs: number | undefined;
  #stalls: number[] = [];

  constructor(connection: Connection, streamKey: string, host: WatchHost) {
    this.#connection = connection;
    this.#streamKey = streamKey;
    this.#host = host;
    this.#state = playerState(this.#situation);
    const ours =
      <P extends { streamKey: string }>(then: (payload: P) => void) =>
      (payload: P) => {
        if (payload.streamKey === this.#streamKey) then(payload);
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
        if (stream.streamKey === this.#streamKey) this.#ended();
      }),
      connection.on('stream:next', ({ streamKey, next }) => {
        if (streamKey === this.#streamKey) host.next(next);
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
        ours(({ frames }) => this.#skipped(frames)),
      ),
      connection.on('stream:error', ({ message, retryAfterMs }) => this.#refused(message, retryAfterMs)),
      connection.watch((state) => {
        this.#change({ connection: state });
        if (state === CONNECTION.online) this.#join();
      }),
    );
    const timer = window.setInterval(() => this.#tellStats(), STATS_EVERY_MS);
    this.#stops.push(() => clearInterval(timer));
    const visibility = () => this.#path?.setVisible(!document.hidden);
    document.addEventListener('visibilitychange', visibility);
    this.#stops.push(() => document.removeEventListener('visibilitychange', visibility));
  }

  get streamKey(): string {
    return this.#streamKey;
  }

  get state(): PlayerState {
    return this.#state;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    clearTimeout(this.#retryTimer);
    this.#connection.send('stream:leave', { streamKey: this.#streamKey });
    this.#closePath();
  }

  #join(): void {
    this.#situation = { ...this.#situation, join: 'none', hasPicture: false };
    this.#kind = undefined;
    this.#undecided = [];
    if (this.#connection.send('stream:join', { streamKey: this.#streamKey })) this.#change({ join: 'asked' });
  }

  #joined(payload: {
    stream: WireStream;
    streamerUsername?: string;
    paused?: boolean;
    publisherPresent?: boolean;
  }): void {
    if (payload.stream.streamKey !== this.#streamKey) return;
    this.#host.stream(payload.stream, payload.streamerUsername);
    this.#change({
      join: 'joined',
      wasJoined: true,
      hasEnded: payload.stream.status === 'ENDED',
      isPaused: payload.paused ?? false,
      isPublisherLost: payload.stream.status === 'ACTIVE' && payload.publisherPresent === false,
    });
  }

  #started(stream: WireStream): void {
    if (stream.streamKey !== this.#streamKey) return;
    this.#host.stream(stream, undefined);
    this.#change({ hasEnded: false, isPublisherLost: false });
  }

  #ended(): void {
    this.#change({ hasEnded: true });
    this.#closePath();
  }

  #refused(message: string, retryAfterMs = RETRY_MS): void {
    if (this.#situation.join !== 'asked') return;
    if (message === REFUSAL.streamNotFound) {
      this.#change({ join: 'refused' });
      return;
    }
    // Full or too busy: the server says when it is worth to knock again.
    clearTimeout(this.#retryTimer);
    this.#retryTimer = window.setTimeout(() => this.#join(), retryAfterMs);
  }

  #skipped(frames: number): void {
    this.#skippedByServer += frames;
    this.#stalls.push(performance.now());
  }

  /** What a joiner is given; everything from before is void. */
  #backlog(frames: WireFrame[]): void {
    this.#closePath();
    for (const frame of frames) this.#frame(frame, true);
  }

  #frame(frame: WireFrame, isBacklog: boolean): void {
    if (this.#situation.hasFailed) return;
    const bytes = toBytes(frame.data);
    if (!bytes || bytes.length === 0) return;
    const arrival = performance.now();
    this.#bytes.add(arrival, bytes.length);
    if (!isBacklog) this.#arrived.add(arrival);
    const time = frame.capturedAt ?? frame.timestamp;
    const first = this.#decide({ bytes, arrival, time, isBacklog });
    if (first) this.#path?.push(first);
  }

  /** Chooses the path by the first bytes; gives back what it should have, joined with what had to wait. */
  #decide(frame: Incoming): Incoming | undefined {
    if (this.#kind) {
      return this.#reconsider(this.#kind, frame);
    }
    const bytes = this.#undecided.length > 0 ? concat([...this.#undecided, frame.bytes]) : frame.bytes;
    const content = sniff(bytes);
    if (isPicture(content)) this.#open('picture');
    else if (content === 'webm') this.#open('webm');
    else if (content === 'mp4') {
      this.#fail({ kind: 'codec', codec: 'MP4' });
      return undefined;
    } else {
      // Too few bytes to tell, or the middle of something: a recorder's next beginning will tell.
      this.#undecided = mayBeginWebm(bytes) || bytes.length < SNIFF_BYTES ? [bytes] : [];
      return undefined;
    }
    this.#undecided = [];
    return { ...frame, bytes };
  }

  /** A publisher may change from pictures to video and back on the same stream. */
  #reconsider(kind: 'picture' | 'webm', frame: Incoming): Incoming | undefined {
    if (kind === 'webm') {
      if (isWholeJpeg(frame.bytes)) this.#open('picture');
      return frame;
    }
    const bytes = this.#undecided.length > 0 ? concat([...this.#undecided, frame.bytes]) : frame.bytes;
    this.#undecided = mayBeginWebm(bytes) ? [bytes] : [];
    if (this.#undecided.length > 0) return undefined;
    if (sniff(bytes) === 'webm') this.#open('webm');
    return { ...frame, bytes };
  }

  #open(kind: 'picture' | 'webm'): void {
    this.#closePath();
    this.#kind = kind;
    const host: PathHost = {
      serverNow: () => this.#connection.serverNow(),
      shown: (delayMs) => this.#onShown(delayMs),
      sized: (width, height) => this.#host.sized(width, height),
      stalled: () => this.#stalls.push(performance.now()),
      failed: (failure) => this.#fail(failure),
    };
    this.#path = kind === 'picture' ? new PicturePath(host) : new WebmPath(host);
    this.#host.path(this.#path);
  }

  #closePath(): void {
    this.#skippedBefore += this.#path?.stats().skipped ?? 0;
    this.#path?.close();
    this.#path = undefined;
    this.#kind = undefined;
  }

  #onShown(delayMs: number | undefined): void {
    const now = performance.now();
    this.#frames += 1;
    this.#firstPictureMs ??= now - this.#beganAt;
    this.#runningSince ??= now;
    this.#shown.add(now);
    if (delayMs !== undefined) this.#delayMs = smooth(this.#delayMs, delayMs);
    if (this.#situation.hasPicture) return;
    this.#change({ hasPicture: true });
    this.#tellStats();
  }

  #fail(failure: PathFailure): void {
    // A broken run of bytes may be a cut in the middle: join again and get whole ones. A codec will not get better.
    const mayMend = this.#stalls.length < STALLS_MAX && this.#situation.connection === CONNECTION.online;
    if (failure.kind === 'broken' && mayMend && !this.#situation.hasEnded) {
      this.#closePath();
      this.#stalls.push(performance.now());
      this.#connection.send('stream:leave', { streamKey: this.#streamKey });
      this.#join();
      return;
    }
    this.#host.failed(failure);
    this.#change({ hasFailed: true });
  }

  #change(change: Partial<Situation>): void {
    this.#situation = { ...this.#situation, ...change };
    const state = playerState(this.#situation);
    if (state === this.#state) return;
    this.#state = state;
    this.#host.state(state);
  }

  #tellStats(): void {
    const now = performance.now();
    this.#stalls = this.#stalls.filter((at) => now - at < STALL_MEMORY_MS);
    const inside = this.#path?.stats() ?? { skipped: 0, bufferMs: 0 };
    const shownPerSecond = this.#shown.perSecond(now);
    if (shownPerSecond === 0) this.#runningSince = this.#delayMs = undefined;
    const isSettled = this.#runningSince !== undefined && now - this.#runningSince > SETTLED_AFTER_MS;
    this.#host.stats({
      path: this.#path?.name,
      frames: this.#frames,
      firstPictureMs: this.#firstPictureMs,
      shownPerSecond,
      kilobitsPerSecond: (this.#bytes.perSecond(now) * 8) / 1_000,
      skipped: inside.skipped + this.#skippedBefore + this.#skippedByServer,
      delayMs: this.#delayMs,
      bufferMs: inside.bufferMs,
      quality: isSettled
        ? quality({
            shownPerSecond,
            arrivedPerSecond: this.#kind === 'picture' ? this.#arrived.perSecond(now) : undefined,
            recentStalls: this.#stalls.length,
            delayMs: this.#delayMs,
            bufferMs: inside.bufferMs,
          })
        : 'unknown',
    });
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined || Math.abs(now - before) > 1_000 ? now : before + (now - before) * 0.2;
}

/** Three magic bytes alone do occur in the middle of a video. */
function isWholeJpeg(bytes: Uint8Array): boolean {
  return sniff(bytes) === 'jpeg' && bytes.at(-2) === 0xff && bytes.at(-1) === 0xd9;
}
