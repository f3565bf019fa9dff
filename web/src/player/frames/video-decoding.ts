// Decodes one video track, frame by frame.
//
// Never more than a few pictures are out at once, because decoders have few; what comes meanwhile waits encoded. What waits
// too long is left behind for a newer keyframe. Only whole runs from a keyframe on reach the decoder.
//
// Who joins is given the whole newest group in one burst, which may be hundreds of frames and may stop in the middle: they
// are decoded in a hurry. That they wait says nothing about the decoder; that the queue grows afterwards does.

import type { Frame } from '../../native/frame.ts';
import { fromBase64, type VideoTrack } from '../../native/messages.ts';
import type { PathFailure } from '../path.ts';

const OUT_MAX = 8;
/** Chunks that may be inside the decoder: it may keep some back to put pictures into their order. */
const INSIDE_MAX = 24;
/** With more than this waiting, and no fewer than the most that waited a while ago, the decoder does not keep up. */
const QUEUE_MAX = 90;
const WHILE_MS = 1_500;
/** Frames that came in a while and were made in so much more time were a burst, from which nothing follows. */
const BURST_MIN_MS = 1_000;
/** No more than this waits, whatever it is. */
const QUEUE_BYTES_MAX = 32 << 20;
/** What is so late and waits before a keyframe is left behind for it. */
const OVERDUE_MAX_MS = 100;
/** Firefox judges its decoder too slow when chunks have no duration. */
const USUAL_DURATION = 33_333;

export interface Decoded {
  image: VideoFrame | ImageBitmap;
  /** Of the stream's timeline, µs. */
  timestamp: number;
  /** Microseconds since 1970, server's clock; 0 if unknown. */
  capturedAt: number;
  arrival: number;
}

export interface DecodingHost {
  decoded(decoded: Decoded): void;
  /** So many frames were left out; the next one that is given must be a keyframe. */
  lost(frames: number): void;
  failed(failure: PathFailure): void;
  /** Pictures that wait to be drawn. */
  waiting(): number;
  /** How long ago a picture of this time (µs) was due, ms. */
  overdueMs(timestamp: number): number;
}

export interface Decoding {
  take(frame: Frame, arrival: number): void;
  /** There may be room for more. */
  pump(): void;
  /** Forgets what waits: a keyframe comes next. */
  restart(): void;
  close(): void;
}

/** An error right after the first keyframes says that the codec cannot be had; a later one that a frame was broken. */
const BREAKS_MAX = 3;

/** The most frames that waited in the present while, and in the one before; when this one began, and at which frame (µs). */
interface Most {
  now: number;
  before: number;
  since: number;
  timestamp: number;
}

const NEVER: Most = { now: 0, before: Number.POSITIVE_INFINITY, since: Number.NaN, timestamp: 0 };

export class VideoDecoding implements Decoding {
  readonly #track: VideoTrack;
  readonly #host: DecodingHost;
  readonly #about = new Map<number, { capturedAt: number; arrival: number }>();
  #decoder: VideoDecoder | undefined;
  #config: VideoDecoderConfig | undefined;
  #isReady = false;
  #queue: { frame: Frame; arrival: number }[] = [];
  #queueBytes = 0;
  #most: Most = { ...NEVER };
  #breaks = 0;
  #isClosed = false;

  constructor(track: VideoTrack, host: DecodingHost) {
    this.#track = track;
    this.#host = host;
    void this.#begin();
  }

  take(frame: Frame, arrival: number): void {
    const first = this.#queue[0];
    if (frame.isKeyframe && first && this.#host.overdueMs(first.frame.timestamp) > OVERDUE_MAX_MS) this.#forget();
    this.#queue.push({ frame, arrival });
    this.#queueBytes += frame.payload.length;
    if (!this.#keepsUp(arrival, frame.timestamp) || this.#queueBytes > QUEUE_BYTES_MAX) {
      const lost = this.#queue.length;
      this.restart();
      this.#host.lost(lost);
    }
    this.pump();
  }

  pump(): void {
    const decoder = this.#decoder;
    if (!this.#isReady || decoder?.state !== 'configured') return;
    while (this.#queue.length > 0 && this.#hasRoom()) {
      const next = this.#queue.shift();
      if (!next) return;
      const { frame, arrival } = next;
      this.#queueBytes -= frame.payload.length;
      this.#about.set(frame.timestamp, { capturedAt: frame.capturedAt, arrival });
      try {
        decoder.decode(
          new EncodedVideoChunk({
            type: frame.isKeyframe ? 'key' : 'delta',
            timestamp: frame.timestamp,
            duration: frame.duration || USUAL_DURATION,
            data: frame.payload,
          }),
        );
      } catch {
        this.#broke();
        return;
      }
    }
  }

  #keepsUp(arrival: number, timestamp: number): boolean {
    const waiting = this.#queue.length;
    const { now, before, since, timestamp: from } = this.#most;
    if (!this.#isReady || Number.isNaN(since)) {
      this.#most = { now: waiting, before: Number.POSITIVE_INFINITY, since: arrival, timestamp };
      return true;
    }
    const most = Math.max(now, waiting);
    const passed = arrival - since;
    if (passed < WHILE_MS) {
      this.#most.now = most;
      return true;
    }
    this.#most = { now: waiting, before: most, since: arrival, timestamp };
    const isBurst = (timestamp - from) / 1_000 - passed > BURST_MIN_MS;
    return isBurst || waiting <= QUEUE_MAX || waiting < before;
  }

  #hasRoom(): boolean {
    const waiting = this.#host.waiting();
    return waiting + this.#about.size < OUT_MAX || (waiting === 0 && this.#about.size < INSIDE_MAX);
  }

  restart(): void {
    this.#forget();
    this.#about.clear();
    if (this.#decoder?.state !== 'configured' || !this.#config) return;
    this.#decoder.reset();
    this.#decoder.configure(this.#config);
  }

  close(): void {
    this.#isClosed = true;
    this.#forget();
    this.#letGo();
  }

  #forget(): void {
    this.#queue = [];
    this.#queueBytes = 0;
    this.#most = { ...NEVER };
  }

  #letGo(): void {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
    this.#about.clear();
  }

  async #begin(): Promise<void> {
    const { codec, description } = this.#track;
    const config: VideoDecoderConfig = {
      codec,
      optimizeForLatency: true,
      ...(description ? { description: fromBase64(description) } : {}),
    };
    if (typeof VideoDecoder === 'undefined') {
      this.#host.failed({ kind: 'no-webcodecs' });
      return;
    }
    const { supported } = await VideoDecoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (this.#isClosed) return;
    if (!supported) {
      this.#host.failed({ kind: 'codec', codec });
      return;
    }
    const decoder = new VideoDecoder({
      output: (image) => {
        const about = this.#about.get(image.timestamp);
        // Pictures come out in their order: a chunk before this one that has not become one never will.
        for (const earlier of this.#about.keys()) if (earlier <= image.timestamp) this.#about.delete(earlier);
        if (decoder !== this.#decoder || !about) {
          image.close();
          return;
        }
        this.#breaks = 0;
        this.#host.decoded({ image, timestamp: image.timestamp, ...about });
        this.pump();
      },
      error: () => {
        if (decoder === this.#decoder) this.#broke();
      },
    });
    decoder.configure(config);
    this.#config = config;
    this.#decoder = decoder;
    this.#isReady = true;
    this.pump();
  }

  #broke(): void {
    this.#letGo();
    this.#isReady = false;
    this.#breaks += 1;
    const lost = this.#queue.length;
    this.#forget();
    if (this.#breaks >= BREAKS_MAX) {
      this.#host.failed({ kind: 'broken' });
      return;
    }
    this.#host.lost(lost);
    void this.#begin();
  }
}
