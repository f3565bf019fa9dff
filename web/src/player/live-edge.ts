// Keeps a buffered player at the live edge: a little faster when behind, a jump when far behind, over holes, and what
// was watched is thrown away.
//
// Pure: it is told what was appended and where the player stands, and answers what to do. Times in seconds are media
// times; times in ms are the local clock's.

import { type DelayBounds, DelayWindow } from './delay-window.ts';

/** Recorder chunks come in lumps of up to half a second or more: the cushion must cover a lump. */
export const RECORDER_BOUNDS: DelayBounds = { startMs: 200, minMs: 100, maxMs: 3_000, marginMs: 50 };
/** Fragments of one frame need no cushion but for the network's own unevenness. */
export const FRAME_BOUNDS: DelayBounds = { startMs: 100, minMs: 50, maxMs: 1_500, marginMs: 30 };
/** So long after the beginning, lateness says nothing about the network. */
const SETTLE_MS = 800;
/** Within this of the target nothing is done. */
const SLACK_S = 0.03;
/** Further behind than this is jumped, not chased. */
const JUMP_BEHIND_S = 1;
const RATE_MAX = 1.25;
const RATE_MIN = 0.95;
/** How much of the lag is made up per second. */
const CHASE = 0.5;
/** A hole is jumped when the picture is this close to it. */
const HOLE_REACH_S = 0.05;
/** How much is kept behind, and how much more before it is worth an operation. */
const KEEP_BEHIND_S = 20;
const TRIM_SLACK_S = 5;
const STALL_RAISE_MS = 60;
/** Later than this is no lateness but another clock: a recorder that paused, a source that slept. */
const CLOCK_JUMP_MS = 4_000;
/**
 * A player that does not move although there is more is stuck: a seek into a sliver before a hole never ends in Chromium.
 * It is put further ahead.
 */
const STUCK_MS = 500;
const STUCK_AHEAD_S = 0.2;
/** Between two jumps the player gets time to show for it. */
const JUMP_GAP_MS = 500;

export interface Range {
  start: number;
  end: number;
}

export interface Standing {
  now: number;
  currentTime: number;
  ranges: readonly Range[];
  /** A seek is under way: only a stuck one is disturbed. */
  isSeeking?: boolean;
}

export interface Steering {
  rate: number;
  seekTo?: number;
  removeBefore?: number;
  /** How far behind the live edge the player stands, s. */
  behind: number;
}

export class LiveEdge {
  readonly #bounds: DelayBounds;
  readonly #delays: DelayWindow;
  #end: number | undefined;
  #beganAt: number | undefined;
  #jumpedAt = Number.NEGATIVE_INFINITY;
  #stoodAt = { time: Number.NaN, since: 0 };

  constructor(bounds: DelayBounds) {
    this.#bounds = bounds;
    this.#delays = new DelayWindow(bounds);
  }

  /** The distance from the live edge that is aimed at, ms. */
  get targetMs(): number {
    return this.#delays.bufferMs;
  }

  /** Media up to `end` is now there. */
  appended(now: number, end: number): void {
    if (this.#end !== undefined && end <= this.#end) return;
    const base = this.#delays.base;
    if (base !== undefined && now - end * 1_000 - base > CLOCK_JUMP_MS) this.restarted();
    this.#beganAt ??= now;
    // A page that just opened is late by its own doing.
    const needed = now - this.#beganAt < SETTLE_MS ? end : (this.#end ?? end);
    // A hole in the timeline (a frozen source, a skip) is no lateness of what follows it.
    const isHole = end - needed > this.#bounds.maxMs / 1_000;
    this.#delays.add(now, end * 1_000, (isHole ? end : needed) * 1_000);
    this.#end = end;
  }

  /** The timeline goes on with another relation to the clock: a recorder began anew. */
  restarted(): void {
    this.#delays.restart();
    this.#end = undefined;
  }

  /** The picture stood still for want of data: the cushion was too small. */
  stalled(): void {
    this.#delays.raise(STALL_RAISE_MS);
  }

  steer({ now, currentTime, ranges, isSeeking = false }: Standing): Steering {
    const first = ranges[0];
    const last = ranges.at(-1);
    if (!first || !last) return { rate: 1, behind: 0 };

    const base = this.#delays.base;
    const edge = base === undefined ? last.end : Math.max(last.end, (now - base) / 1_000);
    const target = this.targetMs / 1_000;
    const behind = edge - currentTime;
    const trim = currentTime - first.start > KEEP_BEHIND_S + TRIM_SLACK_S;
    const steering: Steering = { rate: 1, behind, ...(trim ? { removeBefore: currentTime - KEEP_BEHIND_S } : {}) };

    if (currentTime !== this.#stoodAt.time) this.#stoodAt = { time: currentTime, since: now };
    if (now - this.#stoodAt.since > STUCK_MS && last.end - currentTime > STUCK_AHEAD_S) {
      this.#stoodAt.since = now;
      return { ...steering, seekTo: Math.max(landing(last, edge - target), currentTime + STUCK_AHEAD_S / 2) };
    }
    if (isSeeking) return steering;

    const here = ranges.find((r) => currentTime >= r.start - 0.001 && currentTime < r.end);
    const playable = here ? here.end - currentTime : 0;
    const next = ranges.find((r) => r.start > currentTime);
    if (next && playable < HOLE_REACH_S) return { ...steering, seekTo: landing(next, edge - target) };
    if (!here && currentTime < first.start) return { ...steering, seekTo: landing(last, edge - target) };

    const ahead = last.end - currentTime;
    if (behind - target > JUMP_BEHIND_S && ahead > target && now - this.#jumpedAt > JUMP_GAP_MS) {
      const goal = landing(last, edge - target);
      if (goal > currentTime + SLACK_S) {
        this.#jumpedAt = now;
        return { ...steering, seekTo: goal };
      }
    }
    const lag = behind - target;
    if (lag > SLACK_S && playable > SLACK_S) return { ...steering, rate: Math.min(RATE_MAX, 1 + lag * CHASE) };
    if (lag < -SLACK_S) return { ...steering, rate: RATE_MIN };
    return steering;
  }
}

/** As near to `wished` as the range has it, never on its very end, where there is nothing to show. */
function landing(range: Range, wished: number): number {
  return Math.max(range.start + 0.001, Math.min(wished, range.end - 0.05));
}
