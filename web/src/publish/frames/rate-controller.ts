// Send less, never later: whether the next frame may be encoded, and at which bitrate. Pure.
//
// A frame is left out before it is encoded, so that no picture refers to one that nobody has. If that goes on, the bitrate
// steps down; after a calm while it climbs slowly back.

/** So much of the bitrate's time may wait in the socket. */
const WAITING_MAX_MS = 100;
/** A keyframe alone is larger than a tenth of a second of a low bitrate. */
const WAITING_FLOOR_BYTES = 24_000;
/** What the system's own buffers hide shows as answers that are this late. */
const LATE_MAX_MS = 250;
/** So many frames left out within this time, and the bitrate is too high. */
const SKIPS_MAX = 3;
const SKIPS_WINDOW_MS = 1_000;
const STEP_DOWN = 0.7;
const DOWN_GAP_MS = 1_500;
const STEP_UP = 1.1;
const UP_GAP_MS = 2_000;
const CALM_MS = 8_000;
const BITRATE_MIN = 120_000;

export interface Pressure {
  /** Bytes that the browser still holds. */
  waitingBytes: number;
  /** How far what was sent is behind its time. */
  lateMs: number;
}

export interface Verdict {
  skip: boolean;
  /** The bitrate is another one now. */
  change?: 'lowered' | 'raised';
}

export class RateController {
  readonly #nominal: number;
  #current: number;
  #skips: number[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;
  #pressedAt = Number.NEGATIVE_INFINITY;

  constructor(nominal: number) {
    this.#nominal = nominal;
    this.#current = nominal;
  }

  get bitsPerSecond(): number {
    return this.#current;
  }

  get isNominal(): boolean {
    return this.#current === this.#nominal;
  }

  /** Asked before each frame. */
  judge({ waitingBytes, lateMs }: Pressure, now: number): Verdict {
    const limit = Math.max(WAITING_FLOOR_BYTES, (this.#current / 8_000) * WAITING_MAX_MS);
    this.#skips = this.#skips.filter((at) => now - at < SKIPS_WINDOW_MS);
    if (waitingBytes > limit || lateMs > LATE_MAX_MS) {
      this.#skips.push(now);
      this.#pressedAt = now;
      return this.#lower(now) ? { skip: true, change: 'lowered' } : { skip: true };
    }
    return this.#raise(now) ? { skip: false, change: 'raised' } : { skip: false };
  }

  #lower(now: number): boolean {
    if (this.#skips.length < SKIPS_MAX || now - this.#changedAt < DOWN_GAP_MS) return false;
    const lower = Math.max(BITRATE_MIN, Math.round(this.#current * STEP_DOWN));
    if (lower >= this.#current) return false;
    this.#current = lower;
    this.#changedAt = now;
    return true;
  }

  #raise(now: number): boolean {
    if (this.isNominal || now - this.#pressedAt < CALM_MS || now - this.#changedAt < UP_GAP_MS) return false;
    this.#current = Math.min(this.#nominal, Math.round(this.#current * STEP_UP));
    this.#changedAt = now;
    return true;
  }
}
