// The sound ring in an AudioWorklet: samples come over a port straight from the worker that decodes them.

import type { FromSoundRing, ToSoundRing } from './messages.ts';
import { SoundRing } from './sound-ring.ts';

const REPORT_EVERY_MS = 50;

// What the worklet's own world has; TypeScript knows windows and workers only.
declare const currentTime: number;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class RingProcessor extends AudioWorkletProcessor {
  readonly #ring = new SoundRing();
  #source: MessagePort | undefined;
  #offsetMs: number | undefined;
  #reportedAt = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<MessagePort>) => {
      this.#source = data;
      this.#ring.clear();
      data.onmessage = ({ data: message }: MessageEvent<ToSoundRing>) => this.#heard(message);
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const output = outputs[0];
    const contextMs = currentTime * 1_000;
    if (!output || this.#offsetMs === undefined) return true;
    this.#ring.read(output, sampleRate, contextMs + this.#offsetMs);
    if (contextMs - this.#reportedAt > REPORT_EVERY_MS) {
      this.#reportedAt = contextMs;
      const quantumMs = ((output[0]?.length ?? 0) * 1_000) / sampleRate;
      const report: FromSoundRing = {
        contextMs: contextMs + quantumMs,
        timeMs: this.#ring.position ?? 0,
        isPlaying: this.#ring.hasPlayed,
      };
      this.#source?.postMessage(report);
    }
    return true;
  }

  #heard(message: ToSoundRing): void {
    switch (message.type) {
      case 'samples':
        this.#ring.push(message);
        break;
      case 'schedule':
        this.#offsetMs = message.offsetMs;
        break;
      case 'clear':
        this.#ring.clear();
        break;
    }
  }
}

registerProcessor('abanico-sound-ring', RingProcessor);
