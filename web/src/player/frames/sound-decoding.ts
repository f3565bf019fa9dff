// Decodes the sound track while somebody listens, hands it to the ring that plays it, and tells what is heard now.

import type { Frame } from '../../native/frame.ts';
import { type AudioTrack, fromBase64 } from '../../native/messages.ts';
import { heardNow } from './heard.ts';
import type { FromSoundRing, SoundClock, ToSoundRing } from './messages.ts';

/** A schedule that moved by less is not told. */
const SCHEDULE_STEP_MS = 2;
const INSIDE_MAX = 50;

export class SoundDecoding {
  readonly #track: AudioTrack;
  #decoder: AudioDecoder | undefined;
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
    this.#decoder ??= this.#begin();
    const decoder = this.#decoder;
    if (decoder?.state !== 'configured' || decoder.decodeQueueSize > INSIDE_MAX) return;
    decoder.decode(
      new EncodedAudioChunk({
        type: 'key',
        timestamp: frame.timestamp,
        duration: frame.duration || 20_000,
        data: frame.payload,
      }),
    );
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

  #begin(): AudioDecoder | undefined {
    if (typeof AudioDecoder === 'undefined') return undefined;
    const { codec, sampleRate, channels, description } = this.#track;
    const decoder = new AudioDecoder({
      output: (data) => this.#decoded(data),
      error: () => this.close(),
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
