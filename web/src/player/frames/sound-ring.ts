// Sound that waits to be played, and when which of it is. Pure; the worklet around it only moves samples.
//
// Each run of samples has its time. Read position and wish differ a little: then the sound is played up to one per cent
// faster or slower. They differ much: then it jumps. What is not there is silence.

export interface Run {
  timeMs: number;
  sampleRate: number;
  channels: Float32Array[];
}

/** Further apart than this the position jumps. */
const JUMP_MS = 60;
const BEND_MAX = 0.01;
/** A difference is made up in about this time. */
const BEND_OVER_MS = 1_000;
const RUNS_MAX = 200;

export class SoundRing {
  #runs: Run[] = [];
  #position: number | undefined;
  #hasPlayed = false;

  /** The time of the next sample, ms. */
  get position(): number | undefined {
    return this.#position;
  }

  /** Whether the last reading found sound. */
  get hasPlayed(): boolean {
    return this.#hasPlayed;
  }

  push(run: Run): void {
    this.#runs.push(run);
    if (this.#runs.length > RUNS_MAX) this.#runs.shift();
  }

  clear(): void {
    this.#runs = [];
    this.#position = undefined;
  }

  /** Fills the channels; the first sample is wanted to be that of time `wanted`. */
  read(into: readonly Float32Array[], contextRate: number, wanted: number): void {
    const position = this.#position;
    const error = position === undefined ? Number.POSITIVE_INFINITY : wanted - position;
    let at = position === undefined || Math.abs(error) > JUMP_MS ? wanted : position;
    const bend = Math.abs(error) > JUMP_MS ? 0 : clamp(error / BEND_OVER_MS, BEND_MAX);
    const step = (1_000 / contextRate) * (1 + bend);
    const length = into[0]?.length ?? 0;
    this.#hasPlayed = false;
    let run = this.#runAt(at);
    for (let i = 0; i < length; i++, at += step) {
      if (run && at >= run.timeMs + durationMs(run)) run = this.#runAt(at);
      if (run && at >= run.timeMs) this.#hasPlayed = true;
      into.forEach((channel, c) => {
        channel[i] = run ? sample(run, c, at) : 0;
      });
    }
    this.#position = at;
    while (this.#runs[0] && this.#runs[0].timeMs + durationMs(this.#runs[0]) < at) this.#runs.shift();
  }

  #runAt(time: number): Run | undefined {
    // A hair's breadth between two runs belongs to the later one.
    return this.#runs.find((run) => time < run.timeMs + durationMs(run) && time >= run.timeMs - 1);
  }
}

function durationMs(run: Run): number {
  return ((run.channels[0]?.length ?? 0) * 1_000) / run.sampleRate;
}

function sample(run: Run, channel: number, time: number): number {
  const samples = run.channels[channel] ?? run.channels[0];
  if (!samples) return 0;
  const exact = Math.max(0, ((time - run.timeMs) * run.sampleRate) / 1_000);
  const before = Math.min(Math.floor(exact), samples.length - 1);
  const after = Math.min(before + 1, samples.length - 1);
  const share = exact - Math.floor(exact);
  return (samples[before] ?? 0) * (1 - share) + (samples[after] ?? 0) * share;
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}
