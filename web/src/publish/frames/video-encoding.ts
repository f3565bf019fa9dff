// A video track's frames, encoded: chooses the codec with the first frame, keeps at most two frames inside the encoder,
// sets a keyframe every two seconds and when one is wished.

import { toBase64, type VideoTrack } from '../../native/messages.ts';
import { codecCandidates, encodedSize, encoderConfig, firstThatEncodes, type Size } from './codec-trial.ts';
import type { FramesLimits } from './messages.ts';

/** More inside, and delay grows without bound when cores are short. */
const INSIDE_MAX = 2;
const KEYFRAME_EVERY_MS = 2_000;
/** Wishes for a keyframe are granted twice a second at most. */
const KEYFRAME_GAP_MS = 500;
/** A codec that breaks is replaced; a browser where they all break is given up. */
const BREAKS_MAX = 3;
/** A frame this much too early still counts as due: cameras are not exact. */
const EARLY_MS = 8;

export interface VideoEncodingHost {
  /** What follows is encoded so. */
  track(track: Omit<VideoTrack, 'track'>): void;
  chunk(chunk: EncodedVideoChunk): void;
  /** No codec encodes here. */
  unable(message: string): void;
}

export class VideoEncoding {
  readonly #limits: FramesLimits;
  readonly #host: VideoEncodingHost;
  #encoder: VideoEncoder | undefined;
  #config: VideoEncoderConfig | undefined;
  #source: Size | undefined;
  #isClosed = false;
  #isChoosing = false;
  #inside = 0;
  #breaks = 0;
  #broken = new Set<string>();
  #keyframeAt = Number.NEGATIVE_INFINITY;
  #isKeyframeWished = true;
  #nextDue = 0;
  #bitsPerSecond: number;
  #described = '';

  constructor(limits: FramesLimits, host: VideoEncodingHost) {
    this.#limits = limits;
    this.#host = host;
    this.#bitsPerSecond = limits.bitsPerSecond;
  }

  wishKeyframe(): void {
    this.#isKeyframeWished = true;
  }

  set bitsPerSecond(value: number) {
    if (value === this.#bitsPerSecond) return;
    this.#bitsPerSecond = value;
    if (!this.#config || this.#encoder?.state !== 'configured') return;
    this.#config = { ...this.#config, bitrate: value };
    this.#encoder.configure(this.#config);
  }

  /** Whether a frame at this time is wanted at all: sources may be faster than the limit. */
  isDue(now: number): boolean {
    if (now < this.#nextDue - EARLY_MS) return false;
    const everyMs = 1_000 / this.#limits.framesPerSecond;
    this.#nextDue = Math.max(this.#nextDue + everyMs, now - everyMs);
    return true;
  }

  /** Encodes the frame, or not: false if there is no room. Closes it in any case. */
  take(frame: VideoFrame, now: number): boolean {
    try {
      return this.#take(frame, now);
    } catch (error) {
      this.#broke(String(error));
      return false;
    } finally {
      frame.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  #end(): void {
    if (this.#encoder && this.#encoder.state !== 'closed') this.#encoder.close();
    this.#encoder = undefined;
  }

  #take(frame: VideoFrame, now: number): boolean {
    const source = { width: frame.displayWidth, height: frame.displayHeight };
    if (source.width !== this.#source?.width || source.height !== this.#source.height) {
      this.#source = source;
      void this.#choose(source);
    }
    const encoder = this.#encoder;
    if (this.#isChoosing || encoder?.state !== 'configured' || this.#inside >= INSIDE_MAX) return false;
    const sinceKeyframe = now - this.#keyframeAt;
    const keyFrame = sinceKeyframe >= KEYFRAME_EVERY_MS || (this.#isKeyframeWished && sinceKeyframe >= KEYFRAME_GAP_MS);
    if (keyFrame) {
      this.#keyframeAt = now;
      this.#isKeyframeWished = false;
    }
    this.#inside += 1;
    encoder.encode(frame, { keyFrame });
    return true;
  }

  async #choose(source: Size): Promise<void> {
    if (this.#isChoosing) return;
    this.#isChoosing = true;
    const { framesPerSecond } = this.#limits;
    const size = encodedSize(source, this.#limits);
    const config = await firstThatEncodes(
      codecCandidates(size, framesPerSecond)
        .filter((codec) => !this.#broken.has(codec))
        .map((codec) => encoderConfig(codec, size, framesPerSecond, this.#bitsPerSecond)),
    );
    this.#isChoosing = false;
    if (this.#isClosed) return;
    const now = this.#source;
    if (now && (now.width !== source.width || now.height !== source.height)) {
      // The source has turned or changed its size meanwhile.
      void this.#choose(now);
      return;
    }
    if (!config) {
      this.#host.unable('no video codec encodes');
      return;
    }
    this.#begin(config);
  }

  #begin(config: VideoEncoderConfig): void {
    this.#end();
    this.#config = { ...config, bitrate: this.#bitsPerSecond };
    this.#inside = 0;
    this.#described = '';
    this.#keyframeAt = Number.NEGATIVE_INFINITY;
    this.#isKeyframeWished = true;
    const encoder = new VideoEncoder({
      output: (chunk, metadata) => {
        if (encoder !== this.#encoder) return;
        this.#inside -= 1;
        if (metadata?.decoderConfig) this.#describe(metadata.decoderConfig, config);
        this.#host.chunk(chunk);
      },
      error: (error) => {
        if (encoder === this.#encoder) this.#broke(error.message);
      },
    });
    encoder.configure(this.#config);
    this.#encoder = encoder;
  }

  #describe(decoder: VideoDecoderConfig, { width, height }: VideoEncoderConfig): void {
    const track: Omit<VideoTrack, 'track'> = {
      kind: 'video',
      codec: decoder.codec,
      width: decoder.codedWidth ?? width,
      height: decoder.codedHeight ?? height,
      ...(decoder.description ? { description: toBase64(bytesOf(decoder.description)) } : {}),
    };
    const described = JSON.stringify(track);
    if (described === this.#described) return;
    this.#described = described;
    this.#host.track(track);
  }

  #broke(message: string): void {
    this.#end();
    if (this.#config) this.#broken.add(this.#config.codec);
    this.#breaks += 1;
    if (this.#breaks >= BREAKS_MAX) this.#host.unable(message);
    else if (this.#source) void this.#choose(this.#source);
  }
}

export function bytesOf(source: AllowSharedBufferSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}
