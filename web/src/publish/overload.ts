// Send less, never later: decides by what was sent and has not arrived. Pure.

/** For pictures: more than this still in the browser, and the next one is not made. */
const PICTURE_UNSENT_MAX_BYTES = 4_096;
/** Or the last ones this late at the server. */
const PICTURE_LATE_MAX_MS = 250;

/** Whether the next picture may be made. */
export function mayMakePicture(unsentBytes: number, lateMs: number): boolean {
  return unsentBytes <= PICTURE_UNSENT_MAX_BYTES && lateMs <= PICTURE_LATE_MAX_MS;
}

/** So much of the video's time may wait before a recorder is given up. */
const VIDEO_WAITING_MAX_S = 1.5;
const VIDEO_WAITING_FLOOR_BYTES = 64_000;
const STEP_DOWN = 0.6;
const STEP_UP = 1.4;
const BITRATE_MIN = 150_000;
/** Calm for this long, and a better picture is tried. */
const CALM_MS = 45_000;

/** The bitrate of a recorder that is started anew with less, or with more again. */
export class BitrateLadder {
  readonly #nominal: number;
  #current: number;
  #changedAt: number;

  constructor(nominal: number, now: number) {
    this.#nominal = nominal;
    this.#current = nominal;
    this.#changedAt = now;
  }

  get bitsPerSecond(): number {
    return this.#current;
  }

  /** What to do, given what waits: go on, begin anew with less, or with more. */
  judge(waitingBytes: number, now: number): 'go-on' | 'less' | 'more' {
    const limit = Math.max(VIDEO_WAITING_FLOOR_BYTES, (this.#current / 8) * VIDEO_WAITING_MAX_S);
    if (waitingBytes > limit) {
      this.#current = Math.max(BITRATE_MIN, Math.round(this.#current * STEP_DOWN));
      this.#changedAt = now;
      return 'less';
    }
    if (waitingBytes > limit / 4) this.#changedAt = Math.max(this.#changedAt, now - CALM_MS / 2);
    if (this.#current < this.#nominal && now - this.#changedAt > CALM_MS) {
      this.#current = Math.min(this.#nominal, Math.round(this.#current * STEP_UP));
      this.#changedAt = now;
      return 'more';
    }
    return 'go-on';
  }

  /** So little waits that a new recorder may begin. */
  hasDrained(waitingBytes: number): boolean {
    return waitingBytes < this.#current / 8 / 5;
  }
}
