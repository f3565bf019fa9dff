// Shows a stream as `.mp4` or `.webm` over plain HTTP through MediaSource, at the live edge: for browsers without
// WebCodecs, and for pages that are not served over HTTPS.
//
// The server sends one frame a fragment. What is to be said about the stream, and the clock, comes over a socket of the
// native door that is held, so that no media come twice.

import { LINK } from '../native/link.ts';
import type { Track } from '../native/messages.ts';
import type { WatchDoor } from '../native/watch-door.ts';
import { admitted } from '../wire/streams.ts';
import { type Container, containerAfter } from './containers.ts';
import { FRAME_BOUNDS, LiveEdge, type Range } from './live-edge.ts';
import { mediaSourceClass, ranges, wantsMedia } from './media-source.ts';
import { areSoundOnly, type DoorHost, type Path, type PathFailure, type PathStats, setVideoSound } from './path.ts';
import { openWordsDoor } from './words-door.ts';

const STEER_EVERY_MS = 100;
const SEEK_MIN_S = 0.02;
/** Bytes that wait to be appended. Beyond it MediaSource does not keep up at all and the path gives up. */
const QUEUE_BYTES_MAX = 24_000_000;
/** Before a broken answer is asked for again, and how often without a picture in between. */
const AGAIN_MS = 700;
const VAIN_MAX = 3;
/** By so much the server says that a picture lasts longer than one of 30 a second does (`crates/media/src/package.rs`), s. */
const SAID_TOO_LONG_S = 0.167;

export class MsePath implements Path {
  readonly name = 'mse';
  readonly element = document.createElement('video');
  readonly #server: string;
  readonly #streamKey: string;
  readonly #host: DoorHost;
  readonly #door: WatchDoor;
  readonly #timer: number;
  #edge = new LiveEdge(FRAME_BOUNDS);
  #tracks: readonly Track[] = [];
  /** They cannot be played. */
  #unplayable: readonly Track[] | undefined;
  #mediaSource: MediaSource | undefined;
  #sourceBuffer: SourceBuffer | undefined;
  #url = '';
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #request: AbortController | undefined;
  #againTimer: number | undefined;
  #isLinked = false;
  #vain = 0;
  /** Server's clock minus media time, ms: the least seen. */
  #base: number | undefined;
  /** Where the newest fragment begins: where the one before it ended. */
  #newestBegin: number | undefined;
  #hasSought = false;
  #isClosed = false;

  constructor(server: string, streamKey: string, host: DoorHost) {
    this.#server = server;
    this.#streamKey = streamKey;
    this.#host = host;
    const video = this.element;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.addEventListener('resize', () => host.sized(video.videoWidth, video.videoHeight));
    video.addEventListener('waiting', () => this.#stalled());
    video.addEventListener('error', () => this.#broken());
    video.addEventListener('loadeddata', () => this.#seekOnce());
    video.addEventListener('timeupdate', () => {
      if (!this.#request || !this.isSoundOnly) return;
      this.#vain = 0;
      host.sounding();
    });
    this.#countFrames();
    this.#door = openWordsDoor(server, streamKey, host, {
      tracks: (tracks) => this.#setTracks(tracks),
      link: (state) => {
        this.#isLinked = state === LINK.open;
        if (this.#isLinked && !this.#request && this.#tracks.length > 0) this.#open();
      },
    });
    this.#timer = window.setInterval(() => this.#steer(), STEER_EVERY_MS);
  }

  get hasSound(): boolean {
    return this.#tracks.some(({ kind }) => kind === 'audio');
  }

  get isSoundOnly(): boolean {
    return areSoundOnly(this.#tracks);
  }

  setSound(isMuted: boolean, volume: number): Promise<boolean> {
    return setVideoSound(this.element, isMuted, volume);
  }

  setVisible(visible: boolean): void {
    // Sound goes on unseen; a silent player rests, and comes back to the live edge with a new answer.
    if (!visible && this.element.muted && document.pictureInPictureElement !== this.element) this.#detach();
    else if (visible && !this.#request) this.#open();
    if (visible) void this.element.play().catch(() => {});
  }

  stats(): PathStats {
    const quality = this.element.getVideoPlaybackQuality?.();
    return { skipped: quality?.droppedVideoFrames ?? 0, bufferMs: Math.round(this.#edge.targetMs) };
  }

  pictureInPictureVideo(): HTMLVideoElement {
    return this.element;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#door.close();
    this.#detach();
  }

  #setTracks(tracks: readonly Track[]): void {
    const isSame = JSON.stringify(tracks) === JSON.stringify(this.#tracks);
    this.#tracks = tracks;
    this.#host.tracksKnown();
    this.#host.soundChanged();
    if (!isSame || !this.#request) this.#open();
  }

  /** Asks for the stream anew, from its newest group on. */
  #open(): void {
    this.#detach();
    if (this.#isClosed || this.#tracks.length === 0 || this.#tracks === this.#unplayable) return;
    const MediaSourceClass = mediaSourceClass();
    if (!MediaSourceClass) {
      this.#fail({ kind: 'no-media-source' });
      return;
    }
    const container = containerAfter(this.#vain, this.#tracks, (mime) => MediaSourceClass.isTypeSupported(mime));
    if (!container) {
      this.#giveUp(this.#tracks.map(({ codec }) => codec).join(' + '));
      return;
    }
    const mediaSource = new MediaSourceClass();
    this.#mediaSource = mediaSource;
    this.#url = URL.createObjectURL(mediaSource);
    mediaSource.addEventListener('sourceopen', () => {
      if (this.#mediaSource !== mediaSource || this.#sourceBuffer) return;
      mediaSource.duration = Number.POSITIVE_INFINITY;
      const sourceBuffer = mediaSource.addSourceBuffer(container.mime);
      sourceBuffer.addEventListener('updateend', () => this.#appended(sourceBuffer));
      sourceBuffer.addEventListener('error', () => this.#broken());
      this.#sourceBuffer = sourceBuffer;
      this.#pump();
    });
    mediaSource.addEventListener('startstreaming', () => this.#pump());
    const request = new AbortController();
    this.#request = request;
    this.element.src = this.#url;
    void this.element.play().catch(() => {});
    void this.#fetch(container, request);
  }

  async #fetch({ extension }: Container, request: AbortController): Promise<void> {
    const url = admitted(
      new URL(`/live/${encodeURIComponent(this.#streamKey)}.${extension}`, this.#server),
      this.#streamKey,
    );
    try {
      const response = await fetch(url, { signal: request.signal, cache: 'no-store' });
      if (response.status === 406 && this.#vain > 0) {
        const sentence = await response.text();
        if (this.#request === request) this.#giveUp(sentence);
        return;
      }
      if (response.ok && response.body) {
        const reader = response.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done || request.signal.aborted) break;
          this.#host.received(value.length, 0);
          this.#queue.push(value);
          this.#queuedBytes += value.length;
          if (this.#queuedBytes > QUEUE_BYTES_MAX) break;
          this.#pump();
        }
      }
    } catch {
      // Cut off, or given up by us.
    }
    if (!request.signal.aborted) this.#broken();
  }

  #pump(): void {
    const sourceBuffer = this.#sourceBuffer;
    if (!sourceBuffer || sourceBuffer.updating || this.#queue.length === 0) return;
    if (this.#mediaSource && !wantsMedia(this.#mediaSource)) return;
    const bytes = this.#queue.length === 1 ? this.#queue[0] : joined(this.#queue, this.#queuedBytes);
    if (!bytes) return;
    try {
      sourceBuffer.appendBuffer(bytes);
      this.#queue = [];
      this.#queuedBytes = 0;
    } catch (error) {
      const isFull = error instanceof DOMException && error.name === 'QuotaExceededError';
      if (isFull && this.element.currentTime > 2) sourceBuffer.remove(0, this.element.currentTime - 1);
      else this.#broken();
    }
  }

  #appended(sourceBuffer: SourceBuffer): void {
    if (sourceBuffer !== this.#sourceBuffer) return;
    const end = this.#ranges(sourceBuffer).at(-1)?.end;
    if (end !== undefined) {
      this.#edge.appended(performance.now(), end);
      if (this.#newestBegin !== undefined && end > this.#newestBegin) {
        const base = this.#door.serverNow() - this.#newestBegin * 1_000;
        this.#base = Math.min(this.#base ?? base, base);
      }
      this.#newestBegin = end;
    }
    // A stream's time does not begin with 0: until there is a picture no timer is waited for to be put where it is.
    if (!this.#hasSought) this.#steer();
    this.#pump();
  }

  #steer(): void {
    const sourceBuffer = this.#sourceBuffer;
    const video = this.element;
    if (!sourceBuffer || document.hidden) return;
    const { rate, seekTo, removeBefore } = this.#edge.steer({
      now: performance.now(),
      currentTime: video.currentTime,
      ranges: this.#ranges(sourceBuffer),
      isSeeking: video.seeking,
    });
    if (seekTo !== undefined && Math.abs(seekTo - video.currentTime) > SEEK_MIN_S) video.currentTime = seekTo;
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (removeBefore !== undefined && !sourceBuffer.updating) sourceBuffer.remove(0, removeBefore);
    if (video.paused) void video.play().catch(() => {});
  }

  /** The first picture is as old as its group; the live edge is a seek away. */
  #seekOnce(): void {
    const sourceBuffer = this.#sourceBuffer;
    if (this.#hasSought || !sourceBuffer) return;
    this.#hasSought = true;
    const end = this.#ranges(sourceBuffer).at(-1)?.end;
    const goal = end === undefined ? 0 : end - this.#edge.targetMs / 1_000;
    if (goal > this.element.currentTime + SEEK_MIN_S) this.element.currentTime = goal;
  }

  /** What is there. With sound it ends where that does; of pictures alone the last one is said to last longer than it will. */
  #ranges(sourceBuffer: SourceBuffer): Range[] {
    const all = ranges(sourceBuffer.buffered);
    const last = all.at(-1);
    if (last && !this.hasSound) last.end = Math.max(last.start, last.end - SAID_TOO_LONG_S);
    return all;
  }

  #stalled(): void {
    if (this.element.readyState < 1 || this.element.seeking || this.element.played.length === 0) return;
    this.#edge.stalled();
    this.#host.stalled();
  }

  #countFrames(): void {
    const video = this.element;
    if (!('requestVideoFrameCallback' in video)) {
      (video as HTMLVideoElement).addEventListener('timeupdate', () => this.#shown(this.element.currentTime));
      return;
    }
    const next = (_now: number, frame: VideoFrameCallbackMetadata) => {
      if (this.#isClosed) return;
      this.#shown(frame.mediaTime);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  /** The delay since the quickest fragment came here: when it was captured is not in the bytes. */
  #shown(mediaTime: number): void {
    if (!this.#request) return;
    this.#vain = 0;
    this.#host.shown(this.#base === undefined ? undefined : this.#door.serverNow() - this.#base - mediaTime * 1_000);
  }

  /** The answer broke off or could not be played: asks again, a few times. */
  #broken(): void {
    if (this.#isClosed || !this.#request) return;
    this.#detach();
    // Without a link there is no server to ask: when the link is back, so is the request, and nothing was tried in vain.
    if (!this.#isLinked) return;
    this.#vain += 1;
    if (this.#vain > VAIN_MAX) this.#fail({ kind: 'broken' });
    else this.#againTimer = window.setTimeout(() => this.#open(), AGAIN_MS);
  }

  #detach(): void {
    clearTimeout(this.#againTimer);
    this.#request?.abort();
    this.#request = undefined;
    this.#mediaSource = undefined;
    this.#sourceBuffer = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#base = undefined;
    this.#newestBegin = undefined;
    this.#hasSought = false;
    this.#edge = new LiveEdge(FRAME_BOUNDS);
    if (this.#url === '') return;
    URL.revokeObjectURL(this.#url);
    this.#url = '';
    this.element.removeAttribute('src');
    this.element.load();
  }

  /** Nothing is played until other tracks are told of. */
  #giveUp(codec: string): void {
    this.#unplayable = this.#tracks;
    this.#vain = 0;
    this.#detach();
    this.#host.failed({ kind: 'codec', codec });
  }

  #fail(failure: PathFailure): void {
    if (this.#isClosed) return;
    this.close();
    this.#host.failed(failure);
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
