// Whether a path's pictures come as they should: enough of them in a row to be trusted, or none for too long. Pure.

/** So many pictures in a row, and a new path may be shown. */
const TRUSTED_AFTER = 3;
/** One that fell silent must run for so long before it is trusted again. */
const TRUSTED_AGAIN_MS = 2_000;
/** Without a picture for so many usual gaps, it is silent; within these bounds. */
const SILENT_GAPS = 6;
const SILENT_MIN_MS = 400;
const SILENT_MAX_MS = 1_200;
/** What is older than this is a backlog that is being caught up with: not yet what is live. */
const LIVE_AGE_MS = 500;
/** But not for ever: a publisher may simply be slow. */
const CATCH_UP_MAX_MS = 1_500;

export class Pulse {
  #last: number | undefined;
  #gapMs = 0;
  #runSince = 0;
  #run = 0;
  #firstAt: number | undefined;
  #wasSilent = false;

  /** A picture is shown; `ageMs` since it was captured, where that is known. */
  shown(now: number, ageMs?: number): void {
    this.#firstAt ??= now;
    if (this.#last !== undefined) {
      const gap = now - this.#last;
      if (gap > this.silentMs) this.fellSilent();
      // Falls slowly, so that a picture that comes unevenly is not taken for one that has stopped.
      this.#gapMs = Math.max(Math.min(gap, SILENT_MAX_MS), this.#gapMs * 0.98);
    }
    this.#last = now;
    const isBacklog = ageMs !== undefined && ageMs > LIVE_AGE_MS && now - this.#firstAt < CATCH_UP_MAX_MS;
    if (isBacklog) return;
    if (this.#run === 0) this.#runSince = now;
    this.#run += 1;
  }

  /** How long it may show nothing new. */
  get silentMs(): number {
    return Math.min(SILENT_MAX_MS, Math.max(SILENT_MIN_MS, this.#gapMs * SILENT_GAPS));
  }

  isSilent(now: number): boolean {
    return this.#last !== undefined && now - this.#last > this.silentMs;
  }

  isTrusted(now: number): boolean {
    if (this.#run < TRUSTED_AFTER || this.isSilent(now)) return false;
    return !this.#wasSilent || now - this.#runSince >= TRUSTED_AGAIN_MS;
  }

  /** What came before does not count any more. */
  fellSilent(): void {
    this.#wasSilent = true;
    this.#run = 0;
  }

  /** Nothing is expected for now: nothing is late when it goes on. */
  rest(): void {
    this.#last = undefined;
  }
}
