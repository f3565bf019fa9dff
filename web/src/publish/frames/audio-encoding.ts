// A sound track as Opus, 20 ms a packet. The encoder is configured from the first data: a channel count that somebody
// assumed makes it throw. Chromium's encoder counts times from the first data's in samples and does not see that a sound card
// stood still: its packets then have another time than the data that they are of. So that is counted here, beside it.

import { type AudioTrack, toBase64 } from '../../native/messages.ts';
import { bytesOf } from './video-encoding.ts';

const BITS_PER_CHANNEL = 48_000;
const PACKET_US = 20_000;
/** The times of data jitter by less; what is further off is a gap. */
const GAP_US = 40_000;
/** How fast a sound card that drifts is followed, of what it is off. */
const LEAK = 0.000_5;

export interface AudioEncodingHost {
  track(track: Omit<AudioTrack, 'track'>): void;
  /** `time`: microseconds, on the clock of the data. */
  chunk(chunk: EncodedAudioChunk, time: number): void;
  /** Sound cannot be encoded here; the picture goes on. */
  unable(message: string): void;
}

export class AudioEncoding {
  readonly #host: AudioEncodingHost;
  #encoder: AudioEncoder | undefined;
  #isUnable = false;
  /** Where the samples that went in and the packets that came out end, and how far the data's times are ahead: microseconds. */
  #taken = 0;
  #given = 0;
  #ahead = 0;

  constructor(host: AudioEncodingHost) {
    this.#host = host;
  }

  /** Encodes the data and closes it. */
  take(data: AudioData): void {
    try {
      if (this.#isUnable) return;
      this.#encoder ??= this.#begin(data);
      this.#encoder.encode(data);
      const off = data.timestamp - this.#taken - this.#ahead;
      this.#ahead += Math.abs(off) > GAP_US ? off : off * LEAK;
      this.#taken += (data.numberOfFrames / data.sampleRate) * 1_000_000;
    } catch (error) {
      this.#failed(String(error));
    } finally {
      data.close();
    }
  }

  /** Begins anew with the next data. */
  restart(): void {
    if (this.#encoder && this.#encoder.state !== 'closed') this.#encoder.close();
    this.#encoder = undefined;
  }

  #begin({ sampleRate, numberOfChannels, timestamp }: AudioData): AudioEncoder {
    this.#taken = timestamp;
    this.#given = timestamp;
    this.#ahead = 0;
    const channels = Math.min(2, numberOfChannels);
    const encoder = new AudioEncoder({
      output: (chunk, metadata) => {
        if (encoder !== this.#encoder) return;
        const decoder = metadata?.decoderConfig;
        if (decoder) {
          this.#host.track({
            kind: 'audio',
            codec: 'opus',
            sampleRate: decoder.sampleRate,
            channels: decoder.numberOfChannels,
            ...(decoder.description ? { description: toBase64(bytesOf(decoder.description)) } : {}),
          });
        }
        this.#host.chunk(chunk, this.#given + this.#ahead);
        this.#given += chunk.duration ?? PACKET_US;
      },
      error: (error) => this.#failed(error.message),
    });
    encoder.configure({
      codec: 'opus',
      sampleRate,
      numberOfChannels: channels,
      bitrate: channels * BITS_PER_CHANNEL,
      opus: { frameDuration: PACKET_US },
    });
    return encoder;
  }

  #failed(message: string): void {
    if (this.#isUnable) return;
    this.#isUnable = true;
    this.restart();
    this.#host.unable(message);
  }
}
