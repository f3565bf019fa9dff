// The numbers of a stream that is watched, over all the paths it came by.

import { RateMeter } from '../wire/rate-meter.ts';
import type { Path } from './path.ts';
import { type Quality, quality } from './quality.ts';

/** How long a stand-still counts against the quality. */
const STALL_MEMORY_MS = 10_000;
/** Rates need so long to mean anything. */
const SETTLED_AFTER_MS = 3_000;

export interface WatchStats {
  path: Path['name'] | undefined;
  /** Pictures shown since the start. */
  frames: number;
  /** From the wish to watch to the first picture. */
  firstPictureMs: number | undefined;
  shownPerSecond: number;
  kilobitsPerSecond: number;
  skipped: number;
  delayMs: number | undefined;
  bufferMs: number;
  quality: Quality;
}

export class WatchNumbers {
  readonly #shown = new RateMeter();
  readonly #arrived = new RateMeter();
  readonly #bytes = new RateMeter();
  readonly #beganAt = performance.now();
  #frames = 0;
  #skippedBefore = 0;
  #delayMs: number | undefined;
  #firstPictureMs: number | undefined;
  /** When the present run of pictures began; before that has lasted a while, no word on the quality. */
  #runningSince: number | undefined;
  #stalls: number[] = [];

  received(now: number, bytes: number, frames: number): void {
    if (bytes > 0) this.#bytes.add(now, bytes);
    if (frames > 0) this.#arrived.add(now, frames);
  }

  shown(now: number, delayMs: number | undefined): void {
    this.#frames += 1;
    this.#firstPictureMs ??= now - this.#beganAt;
    this.#runningSince ??= now;
    this.#shown.add(now);
    if (delayMs !== undefined) this.#delayMs = smooth(this.#delayMs, delayMs);
  }

  /** Another way is shown: what is known of the delay was true of the one before. */
  swapped(): void {
    this.#delayMs = undefined;
  }

  stalled(): void {
    this.#stalls.push(performance.now());
  }

  skippedByServer(frames: number): void {
    this.#skippedBefore += frames;
    this.stalled();
  }

  pathClosed(skipped: number): void {
    this.#skippedBefore += skipped;
  }

  get recentStalls(): number {
    return this.#stalls.length;
  }

  /** `countsArrivals`: every picture that came was counted, so that the missing ones show. */
  stats(path: Path | undefined, countsArrivals: boolean): WatchStats {
    const now = performance.now();
    this.#stalls = this.#stalls.filter((at) => now - at < STALL_MEMORY_MS);
    const inside = path?.stats() ?? { skipped: 0, bufferMs: 0 };
    const shownPerSecond = this.#shown.perSecond(now);
    if (shownPerSecond === 0) this.#runningSince = this.#delayMs = undefined;
    const isSettled = this.#runningSince !== undefined && now - this.#runningSince > SETTLED_AFTER_MS;
    const arrivedPerSecond = countsArrivals ? this.#arrived.perSecond(now) : undefined;
    const { bufferMs } = inside;
    const reception = { shownPerSecond, arrivedPerSecond, delayMs: this.#delayMs, bufferMs };
    return {
      path: path?.name,
      frames: this.#frames,
      firstPictureMs: this.#firstPictureMs,
      shownPerSecond,
      kilobitsPerSecond: (this.#bytes.perSecond(now) * 8) / 1_000,
      skipped: inside.skipped + this.#skippedBefore,
      delayMs: this.#delayMs,
      bufferMs,
      quality: isSettled ? quality({ ...reception, recentStalls: this.#stalls.length }) : 'unknown',
    };
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined || Math.abs(now - before) > 1_000 ? now : before + (now - before) * 0.2;
}
