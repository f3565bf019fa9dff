// Decodes the sound track while somebody listens, hands it to the ring that plays it, and tells what is heard now.
//
// Chromium's decoder counts times from the first packet's in samples and sees no gap after it: what follows one gets a decoder
// of its own, or it would be played with the times of what is missing, which is never.

import type { Frame } from '../../native/frame.ts';
import { type AudioTrack, fromBase64 } from '../../native/messages.ts';
import { heardNow } from './heard.ts';
import type { FromSoundRing, SoundClock, ToSoundRing } from './messages.ts';

/** A schedule that moved by less is not told. */
const SCHEDULE_STEP_MS = 2;
const INSIDE_MAX = 50;
/** The times of packets jitter by less, in microseconds. */
const GAP_US = 40_000;

export class SoundDecoding {
  readonly #track: AudioTrack;
  #decoder: AudioDecoder | undefined;
  /** Where the decoder's own count is when all that went in is out: microseconds. */
  #counted = 0;
  #port: MessagePort | null = null;
  #clock: SoundClock | undefined;
  #scheduled: number | undefined;
  #played: { timeMs: number; at: number } | undefined;
  readonly #heardAt: (timeMs: number, at: number) => void;

  /** `heard` is told which sound is heard at which local time, ms since 1970. */
  constructor(track: AudioTrack, heard: (timeMs: number, at: number) => void) {
    this.#track = track;
    this.#heardAt = heard;
  }

  /** Whether there is anybody to decode for. */
  get isOn(): boolean {
    return this.#port !== null;
  }

  set port(port: MessagePort | null) {
    this.#port?.close();
    this.#port = port;
    this.#scheduled = undefined;
    this.#played = undefined;
    if (!port) {
      this.close();
      return;
    }
    port.onmessage = ({ data }: MessageEvent<FromSoundRing>) => this.#heardFrom(data);
  }

  set clock(clock: SoundClock) {
    this.#clock = clock;
  }

  take(frame: Frame): void {
    if (!this.#port) return;
    if (this.#decoder && this.#decoder.decodeQueueSize > INSIDE_MAX) return;
    if (Math.abs(frame.timestamp - this.#counted) > GAP_US) this.#finish();
    this.#decoder ??= this.#begin(frame.timestamp);
    const decoder = this.#decoder;
    if (decoder?.state !== 'configured') return;
    const duration = frame.duration || 20_000;
    decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: frame.timestamp, duration, data: frame.payload }));
    this.#counted += duration;
  }

  /** Sound of time T is due at the local time T + `dueOffset`. */
  schedule(dueOffset: number): void {
    const clock = this.#clock;
    if (!clock || !this.#port) return;
    const offsetMs = clock.heardAt - clock.contextMs - dueOffset;
    if (this.#scheduled !== undefined && Math.abs(offsetMs - this.#scheduled) < SCHEDULE_STEP_MS) return;
    this.#scheduled = offsetMs;
    this.#say({ type: 'schedule', offsetMs });
  }

  /** The time of the sound that is heard at this local time. */
  heard(now: number): number | undefined {
    return heardNow(this.#played, now);
  }

  restart(): void {
    this.#played = undefined;
    this.#say({ type: 'clear' });
  }

  close(): void {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
  }

  /** Lets the decoder give what is inside, and the next packet begin another. */
  #finish(): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    if (decoder?.state !== 'configured') return;
    const close = () => decoder.state !== 'closed' && decoder.close();
    decoder.flush().then(close, close);
  }

  #begin(timestamp: number): AudioDecoder | undefined {
    if (typeof AudioDecoder === 'undefined') return undefined;
    this.#counted = timestamp;
    const { codec, sampleRate, channels, description } = this.#track;
    const decoder = new AudioDecoder({
      output: (data) => this.#decoded(data),
      error: () => {
        if (decoder === this.#decoder) this.close();
      },
    });
    decoder.configure({
      codec,
      sampleRate,
      numberOfChannels: channels,
      ...(description ? { description: fromBase64(description) } : {}),
    });
    return decoder;
  }

  #decoded(data: AudioData): void {
    const channels = Array.from({ length: data.numberOfChannels }, (_, planeIndex) => {
      const plane = new Float32Array(data.numberOfFrames);
      data.copyTo(plane, { planeIndex, format: 'f32-planar' });
      return plane;
    });
    const message: ToSoundRing = {
      type: 'samples',
      timeMs: data.timestamp / 1_000,
      sampleRate: data.sampleRate,
      channels,
    };
    data.close();
    this.#say(
      message,
      channels.map((plane) => plane.buffer),
    );
  }

  #heardFrom({ contextMs, timeMs, isPlaying }: FromSoundRing): void {
    const clock = this.#clock;
    if (!isPlaying || !clock) {
      this.#played = undefined;
      return;
    }
    const at = clock.heardAt + (contextMs - clock.contextMs);
    this.#played = { timeMs, at };
    this.#heardAt(timeMs, at);
  }

  #say(message: ToSoundRing, transfer: Transferable[] = []): void {
    this.#port?.postMessage(message, transfer);
  }
}
