// How long to wait before the next attempt. Pure: chance is an argument.
//
// Each wait is drawn from an interval that doubles, so that ten thousand viewers of a server that restarts do not all come
// back in the same instant.

export interface BackoffBounds {
  firstMs: number;
  maxMs: number;
}

const USUAL: BackoffBounds = { firstMs: 250, maxMs: 8_000 };

export class Backoff {
  readonly #random: () => number;
  readonly #bounds: BackoffBounds;
  #attempts = 0;

  constructor(random: () => number = Math.random, bounds: BackoffBounds = USUAL) {
    this.#random = random;
    this.#bounds = bounds;
  }

  /** The wait before the next attempt, ms. The first one comes soon: most cuts are short. */
  next(): number {
    const { firstMs, maxMs } = this.#bounds;
    const ceiling = Math.min(maxMs, firstMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return Math.round(ceiling * (0.5 + this.#random() / 2));
  }

  /** What the server asked for, and a little more that differs for each. */
  asked(retryAfterMs: number): number {
    return Math.round(retryAfterMs * (1 + this.#random() / 4));
  }

  succeeded(): void {
    this.#attempts = 0;
  }
}
