// Plays a recorder's WebM, or fragmented MP4, through MediaSource, at the live edge, with sound.
//
// Everything that comes is appended in order; what a joiner is given begins with an init segment. A recorder that began
// anew sends another one in the middle: its timeline is put behind what is there. Codecs are read, never guessed.

import { concat, mayBeginWebm, sniff } from '../wire/payload.ts';
import { LiveEdge, type Range, RECORDER_BOUNDS } from './live-edge.ts';
import { mediaSourceClass, ranges, wantsMedia } from './media-source.ts';
import { beginsMp4, readMp4Init } from './mp4-init.ts';
import { type FedPath, type Incoming, type PathFailure, type PathHost, type PathStats, setVideoSound } from './path.ts';
import { unfit } from './unfit.ts';
import { type InitTrack, readWebmInit } from './webm-init.ts';

/** An init segment is a few hundred bytes; a run that has none within this is not WebM. */
const INIT_BYTES_MAX = 262_144;
/** Bytes that wait to be appended. Beyond it MediaSource does not keep up at all and the path gives up. */
const QUEUE_BYTES_MAX = 48_000_000;
const STEER_EVERY_MS = 200;
/** A seek shorter than this would cost more than it gains. */
const SEEK_MIN_S = 0.02;

type Piece =
  | { kind: 'init'; bytes: Uint8Array<ArrayBuffer>; mime: string; tracks: InitTrack[] }
  | { kind: 'media'; bytes: Uint8Array<ArrayBuffer>; time: number; isBacklog: boolean };

export class WebmPath implements FedPath {
  readonly name = 'webm';
  readonly hasSound = true;
  readonly element = document.createElement('video');
  readonly #host: PathHost;
  readonly #edge = new LiveEdge(RECORDER_BOUNDS);
  readonly #steering: number;
  #mediaSource: MediaSource | undefined;
  #sourceBuffer: SourceBuffer | undefined;
  #url = '';
  #mime = '';
  #tracks = '';
  #queue: Piece[] = [];
  #queuedBytes = 0;
  #appending: Piece | undefined;
  /** Bytes of an init segment that is not whole yet. */
  #beginning: Uint8Array<ArrayBuffer> | undefined;
  #hasInit = false;
  /** Capture time (server's clock, ms) minus media time (ms): the least seen since the recording began. */
  #captureBase: number | undefined;
  #isClosed = false;

  constructor(host: PathHost) {
    this.#host = host;
    const video = this.element;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.addEventListener('resize', () => host.sized(video.videoWidth, video.videoHeight));
    video.addEventListener('waiting', () => this.#stalled());
    video.addEventListener('error', () => this.#fail({ kind: 'broken' }));
    video.addEventListener('timeupdate', () => {
      if (this.#sourceBuffer && this.isSoundOnly) host.sounding();
    });
    this.#countFrames();
    this.#steering = window.setInterval(() => this.#steer(), STEER_EVERY_MS);
  }

  push(frame: Incoming): void {
    if (this.#isClosed) return;
    const bytes = this.#beginning ? concat([this.#beginning, frame.bytes]) : frame.bytes;
    const begins = this.#beginning !== undefined || mayBeginWebm(bytes) || sniff(bytes) === 'webm' || beginsMp4(bytes);
    this.#beginning = undefined;
    if (begins) {
      this.#begin(bytes);
      return;
    }
    // Without an init segment nothing can be understood: what came before it is not ours to show.
    if (this.#hasInit) this.#enqueue({ kind: 'media', bytes, time: frame.time, isBacklog: frame.isBacklog });
  }

  get isSoundOnly(): boolean {
    return this.#tracks === 'audio';
  }

  setSound(isMuted: boolean, volume: number): Promise<boolean> {
    return setVideoSound(this.element, isMuted, volume);
  }

  setVisible(visible: boolean): void {
    if (!visible) return;
    void this.element.play().catch(() => {});
    this.#steer();
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
    clearInterval(this.#steering);
    this.#queue = [];
    this.#detach();
  }

  /** Reads an init segment as soon as it is whole. */
  #begin(bytes: Uint8Array<ArrayBuffer>): void {
    const read = beginsMp4(bytes) ? readMp4Init : readWebmInit;
    const init = mayBeginWebm(bytes) ? { state: 'incomplete' as const } : read(bytes);
    if (init.state === 'incomplete' && bytes.length < INIT_BYTES_MAX) {
      this.#beginning = bytes;
      return;
    }
    if (init.state !== 'read') {
      // Bytes in the middle of a stream that only looked like a beginning are media.
      if (this.#hasInit) this.#enqueue({ kind: 'media', bytes, time: this.#host.serverNow(), isBacklog: false });
      else this.#fail({ kind: 'broken' });
      return;
    }
    if (init.unplayable) {
      this.#fail(unfit(init.tracks, beginsMp4(bytes)));
      return;
    }
    const MediaSourceClass = mediaSourceClass();
    if (!MediaSourceClass) {
      this.#fail({ kind: 'no-media-source' });
      return;
    }
    if (!MediaSourceClass.isTypeSupported(init.mime)) {
      this.#fail(unfit(init.tracks, beginsMp4(bytes)));
      return;
    }
    this.#hasInit = true;
    this.#enqueue({ kind: 'init', bytes, mime: init.mime, tracks: init.tracks });
  }

  #enqueue(piece: Piece): void {
    this.#queue.push(piece);
    this.#queuedBytes += piece.bytes.length;
    if (this.#queuedBytes > QUEUE_BYTES_MAX) this.#fail({ kind: 'broken' });
    else this.#pump();
  }

  #pump(): void {
    const piece = this.#queue[0];
    if (this.#isClosed || !piece || this.#appending || this.#sourceBuffer?.updating) return;
    if (piece.kind === 'init' && !this.#prepare(piece)) return;
    if (!this.#sourceBuffer || (this.#mediaSource && !wantsMedia(this.#mediaSource))) return;
    try {
      this.#sourceBuffer.appendBuffer(piece.bytes);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') this.#makeRoom();
      else this.#fail({ kind: 'broken' });
      return;
    }
    this.#queue.shift();
    this.#queuedBytes -= piece.bytes.length;
    this.#appending = piece;
  }

  /** Makes the source buffer ready for an init segment. False while it is not. */
  #prepare(init: Piece & { kind: 'init' }): boolean {
    const tracks = init.tracks
      .map((track) => track.kind)
      .sort()
      .join();
    const sourceBuffer = this.#sourceBuffer;
    if (!sourceBuffer || tracks !== this.#tracks) {
      if (this.#tracks !== tracks) {
        this.#tracks = tracks;
        this.#attach(init.mime);
      }
      return this.#sourceBuffer !== undefined;
    }
    // The parser must be told that a new file begins before the timeline may be moved.
    const end = lastEnd(ranges(sourceBuffer.buffered));
    sourceBuffer.abort();
    if (init.mime !== this.#mime) sourceBuffer.changeType(init.mime);
    this.#mime = init.mime;
    sourceBuffer.timestampOffset = end ?? 0;
    this.#edge.restarted();
    this.#captureBase = undefined;
    return true;
  }

  /** A fresh MediaSource, for a first recording or for other tracks than before. */
  #attach(mime: string): void {
    this.#detach();
    const MediaSourceClass = mediaSourceClass();
    if (!MediaSourceClass) return;
    const mediaSource = new MediaSourceClass();
    this.#mediaSource = mediaSource;
    this.#url = URL.createObjectURL(mediaSource);
    mediaSource.addEventListener('sourceopen', () => {
      if (this.#isClosed || this.#mediaSource !== mediaSource || this.#sourceBuffer) return;
      try {
        mediaSource.duration = Number.POSITIVE_INFINITY;
        const sourceBuffer = mediaSource.addSourceBuffer(mime);
        sourceBuffer.addEventListener('updateend', () => this.#appended(sourceBuffer));
        sourceBuffer.addEventListener('error', () => this.#fail({ kind: 'broken' }));
        this.#sourceBuffer = sourceBuffer;
        this.#mime = mime;
      } catch {
        this.#fail({ kind: 'codec', codec: mime });
        return;
      }
      this.#pumpFirst();
    });
    mediaSource.addEventListener('startstreaming', () => this.#pump());
    this.element.src = this.#url;
    void this.element.play().catch(() => {});
  }

  /** The first init segment needs no preparation: the source buffer was made for it. */
  #pumpFirst(): void {
    const init = this.#queue[0];
    if (!init || !this.#sourceBuffer) return;
    try {
      this.#sourceBuffer.appendBuffer(init.bytes);
    } catch {
      this.#fail({ kind: 'broken' });
      return;
    }
    this.#queue.shift();
    this.#queuedBytes -= init.bytes.length;
    this.#appending = init;
  }

  #detach(): void {
    this.#mediaSource = undefined;
    this.#sourceBuffer = undefined;
    this.#appending = undefined;
    this.#captureBase = undefined;
    this.#edge.restarted();
    if (this.#url === '') return;
    this.element.removeAttribute('src');
    this.element.load();
    URL.revokeObjectURL(this.#url);
    this.#url = '';
  }

  #appended(sourceBuffer: SourceBuffer): void {
    if (this.#isClosed || sourceBuffer !== this.#sourceBuffer) return;
    const piece = this.#appending;
    this.#appending = undefined;
    const end = lastEnd(ranges(sourceBuffer.buffered));
    if (piece?.kind === 'media' && end !== undefined) {
      // The backlog is older than its arrival tells: it says nothing about the network.
      if (!piece.isBacklog) {
        this.#edge.appended(performance.now(), end);
        const base = piece.time - end * 1_000;
        this.#captureBase = Math.min(this.#captureBase ?? base, base);
      }
      this.#steer();
    }
    this.#pump();
  }

  #steer(): void {
    const sourceBuffer = this.#sourceBuffer;
    const video = this.element;
    if (this.#isClosed || !sourceBuffer) return;
    const { rate, seekTo, removeBefore } = this.#edge.steer({
      now: performance.now(),
      currentTime: video.currentTime,
      ranges: ranges(sourceBuffer.buffered),
      isSeeking: video.seeking,
    });
    if (seekTo !== undefined && Math.abs(seekTo - video.currentTime) > SEEK_MIN_S) video.currentTime = seekTo;
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (removeBefore !== undefined && !sourceBuffer.updating && !this.#appending) sourceBuffer.remove(0, removeBefore);
    if (video.paused && !document.hidden) void video.play().catch(() => {});
  }

  #makeRoom(): void {
    const sourceBuffer = this.#sourceBuffer;
    const from = Math.max(0, this.element.currentTime - 2);
    if (sourceBuffer && !sourceBuffer.updating && from > 0) sourceBuffer.remove(0, from);
    else this.#fail({ kind: 'broken' });
  }

  #stalled(): void {
    // Before the first picture and in a seek the element waits too: that is no stall.
    if (this.element.readyState < 1 || this.element.seeking || this.element.played.length === 0) return;
    this.#edge.stalled();
    this.#host.stalled();
    this.#steer();
  }

  #countFrames(): void {
    const video = this.element;
    if (!('requestVideoFrameCallback' in video)) {
      (video as HTMLVideoElement).addEventListener('timeupdate', () =>
        this.#host.shown(this.#delayAt(this.element.currentTime)),
      );
      return;
    }
    const next = (_now: number, frame: VideoFrameCallbackMetadata) => {
      if (this.#isClosed) return;
      this.#host.shown(this.#delayAt(frame.mediaTime));
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  #delayAt(mediaTime: number): number | undefined {
    if (this.#captureBase === undefined) return undefined;
    return this.#host.serverNow() - (this.#captureBase + mediaTime * 1_000);
  }

  #fail(failure: PathFailure): void {
    if (this.#isClosed) return;
    this.close();
    this.#host.failed(failure);
  }
}

function lastEnd(all: readonly Range[]): number | undefined {
  return all.at(-1)?.end;
}
