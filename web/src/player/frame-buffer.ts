// A small adaptive buffer that makes pictures which arrive unevenly appear evenly.
//
// Pure: times are arguments. Each picture is due at its own time plus the earliest delay seen plus a buffer; of those
// that are due, the newest is shown and the others count as skipped. Never plays a backlog out.

import { DelayWindow } from './delay-window.ts';

const BOUNDS = { startMs: 30, minMs: 0, maxMs: 400, marginMs: 4, hiddenMs: 20 } as const;
/** More than this waiting means that nobody takes them (a hidden page): the oldest is dropped and counted. */
const FRAMES_MAX = 24;
/** A picture this far off its schedule has another clock than the ones before: the schedule starts anew. */
const CLOCK_JUMP_MS = 5_000;

export interface Timed {
  /** The publisher's or server's time of the picture, ms. */
  time: number;
  /** When it came, ms of the local clock. */
  arrival: number;
}

export class FrameBuffer<F extends Timed> {
  readonly #delays = new DelayWindow(BOUNDS);
  readonly #release: (frame: F) => void;
  readonly #isMissed: (frame: F) => boolean;
  #frames: F[] = [];
  #skipped = 0;

  /** `release` is called for each picture that will not be shown; those that are `missed` count as skipped. */
  constructor(release: (frame: F) => void = () => {}, isMissed: (frame: F) => boolean = () => true) {
    this.#release = release;
    this.#isMissed = isMissed;
  }

  get bufferMs(): number {
    return this.#delays.bufferMs;
  }

  /** What to add to a picture's time to have the local time at which it is due. */
  get dueOffset(): number {
    return (this.#delays.base ?? 0) + this.bufferMs;
  }

  get skipped(): number {
    return this.#skipped;
  }

  get waiting(): number {
    return this.#frames.length;
  }

  /** Notes when a picture came; do it on arrival, before decoding, which has its own unevenness. */
  arrived(arrival: number, time: number): void {
    const base = this.#delays.base;
    if (base !== undefined && Math.abs(arrival - time - base) > CLOCK_JUMP_MS) this.#delays.restart();
    this.#delays.add(arrival, time);
  }

  /** Notes a picture of a backlog: it is late by being asked for late, which says nothing about the network. */
  arrivedLate(arrival: number, time: number): void {
    this.#delays.relate(arrival, time);
  }

  push(frame: F): void {
    this.#frames.push(frame);
    if (this.#frames.length > FRAMES_MAX) this.#skip(this.#frames.shift());
  }

  /** How long until the next picture is due, ms: not above zero if it is; undefined if none waits. */
  untilDue(now: number, heard: number = now - this.dueOffset): number | undefined {
    const first = this.#frames[0];
    return first && first.time - heard;
  }

  /** The newest picture that is due, if any is; `heard` is the time of the sound that is heard now, if there is any. */
  take(now: number, heard: number = now - this.dueOffset): F | undefined {
    let due = -1;
    for (let i = 0; i < this.#frames.length; i++) {
      const frame = this.#frames[i];
      if (frame && frame.time <= heard) due = i;
    }
    if (due < 0) return undefined;
    const passed = this.#frames.splice(0, due + 1);
    const shown = passed.pop();
    for (const frame of passed) this.#skip(frame);
    return shown;
  }

  /** The newest picture whatever the time, all others released: for a page that comes back into view. */
  takeNewest(): F | undefined {
    const newest = this.#frames.pop();
    for (const frame of this.#frames) this.#release(frame);
    this.#frames = [];
    return newest;
  }

  clear(): void {
    for (const frame of this.#frames) this.#release(frame);
    this.#frames = [];
    this.#delays.restart();
  }

  /** Forgets the schedule and keeps the pictures: what comes next has begun anew. */
  restart(): void {
    this.#delays.restart();
  }

  #skip(frame: F | undefined): void {
    if (!frame) return;
    if (this.#isMissed(frame)) this.#skipped += 1;
    this.#release(frame);
  }
}
