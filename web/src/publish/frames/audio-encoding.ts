// A sound track as Opus, 20 ms a packet. The encoder is configured from the first data: a channel count that somebody
// assumed makes it throw.

import { type AudioTrack, toBase64 } from '../../native/messages.ts';
import { bytesOf } from './video-encoding.ts';

const BITS_PER_CHANNEL = 48_000;
const PACKET_US = 20_000;

export interface AudioEncodingHost {
  track(track: Omit<AudioTrack, 'track'>): void;
  chunk(chunk: EncodedAudioChunk): void;
  /** Sound cannot be encoded here; the picture goes on. */
  unable(message: string): void;
}

export class AudioEncoding {
  readonly #host: AudioEncodingHost;
  #encoder: AudioEncoder | undefined;
  #isUnable = false;

  constructor(host: AudioEncodingHost) {
    this.#host = host;
  }

  /** Encodes the data and closes it. */
  take(data: AudioData): void {
    try {
      if (this.#isUnable) return;
      this.#encoder ??= this.#begin(data);
      this.#encoder.encode(data);
    } catch (error) {
      this.#failed(String(error));
    } finally {
      data.close();
    }
  }

  /** Begins anew with the next data: over a gap, an encoder's own times would be wrong. */
  restart(): void {
    if (this.#encoder && this.#encoder.state !== 'closed') this.#encoder.close();
    this.#encoder = undefined;
  }

  #begin({ sampleRate, numberOfChannels }: AudioData): AudioEncoder {
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
        this.#host.chunk(chunk);
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
