// The page's side of sound: an audio context with the ring in it, a volume, and the clock of what is heard.

import type { SoundClock } from './messages.ts';
import ringUrl from './sound-ring.worklet.ts?worker&url';

const CLOCK_EVERY_MS = 250;

export class SoundOutput {
  readonly #context = new AudioContext({ latencyHint: 'interactive' });
  readonly #gain = this.#context.createGain();
  readonly #port: (port: MessagePort | null) => void;
  readonly #clock: (clock: SoundClock) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #node: AudioWorkletNode | undefined;
  #loading: Promise<void> | undefined;
  /** Another with every start and stop: what an older one waited for does not count any more. */
  #turn = 0;

  /** `port` is given the end that takes samples, or null; `clock` is told again and again. */
  constructor(port: (port: MessagePort | null) => void, clock: (clock: SoundClock) => void) {
    this.#port = port;
    this.#clock = clock;
    this.#gain.connect(this.#context.destination);
  }

  set volume(level: number) {
    this.#gain.gain.value = level;
  }

  /** Starts to play. False if the browser wants a click first; true as well if it was stopped meanwhile. */
  async start(): Promise<boolean> {
    this.#turn += 1;
    const turn = this.#turn;
    const isOver = () => turn !== this.#turn;
    // A context that may not start yet never settles its promise: it is not waited for.
    void this.#context.resume().catch(() => {});
    this.#loading ??= this.#context.audioWorklet.addModule(ringUrl);
    try {
      await this.#loading;
    } catch {
      return isOver();
    }
    if (this.#context.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 100));
    if (isOver()) return true;
    if (this.#context.state !== 'running') return false;
    if (this.#node) return true;
    this.#node = new AudioWorkletNode(this.#context, 'abanico-sound-ring', {
      numberOfInputs: 0,
      outputChannelCount: [2],
    });
    this.#node.connect(this.#gain);
    const { port1, port2 } = new MessageChannel();
    this.#node.port.postMessage(port1, [port1]);
    this.#port(port2);
    this.#timer = setInterval(() => this.#tellClock(), CLOCK_EVERY_MS);
    this.#tellClock();
    return true;
  }

  /** Plays nothing and decodes nothing any more. */
  stop(): void {
    this.#turn += 1;
    clearInterval(this.#timer);
    this.#node?.disconnect();
    this.#node = undefined;
    this.#port(null);
  }

  close(): void {
    this.stop();
    void this.#context.close().catch(() => {});
  }

  #tellClock(): void {
    const context = this.#context;
    const stamp = context.getOutputTimestamp?.();
    if (stamp?.contextTime && stamp.performanceTime) {
      this.#clock({ contextMs: stamp.contextTime * 1_000, heardAt: performance.timeOrigin + stamp.performanceTime });
      return;
    }
    const latencyMs = (context.outputLatency || context.baseLatency || 0) * 1_000;
    const heardAt = performance.timeOrigin + performance.now() + latencyMs;
    this.#clock({ contextMs: context.currentTime * 1_000, heardAt });
  }
}
