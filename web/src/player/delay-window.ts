// How late things come, compared with the earliest that came lately.
//
// Pure. Media times and local clocks have unrelated zeros: the least difference seen over ten seconds is taken as their
// relation, and what exceeds it is delay. The buffer that hides it is the 98th percentile and a little: it rises at once
// and falls slowly (measured in shared/browser.md §6: 0 skipped frames at the price of the jitter itself).

const BASE_WINDOW_MS = 10_000;
/** Delays count for so long, and no more than so many of them. */
const DELAY_WINDOW_MS = 15_000;
const SAMPLES_MAX = 240;
const PERCENTILE = 0.98;
/** The way down to a smaller buffer is gone at this time constant (at 30 a second: 2 % a sample). */
const FALL_MS = 1_650;

export interface DelayBounds {
  startMs: number;
  minMs: number;
  maxMs: number;
  marginMs: number;
  /**
   * Up to this much needs no buffer at all, because half the time between two pictures hides it; from twice as much on all
   * of it is needed. 0 if left out.
   */
  hiddenMs?: number;
}

export class DelayWindow {
  readonly #bounds: DelayBounds;
  #bases: { at: number; base: number }[] = [];
  #delays: { at: number; delay: number }[] = [];
  #buffer: number;

  constructor(bounds: DelayBounds) {
    this.#bounds = bounds;
    this.#buffer = bounds.startMs;
  }

  /** Local arrival time minus media time of the earliest recent arrival; undefined before the first. */
  get base(): number | undefined {
    return this.#bases[0]?.base;
  }

  /** How long to hold things back so that nearly all are there in time, in ms. */
  get bufferMs(): number {
    return this.#buffer;
  }

  /** Takes one arrival: `needed` is the media time that had to be there, `newest` the one that now is. Both in ms. */
  add(arrival: number, newest: number, needed: number = newest): void {
    this.#rebase(arrival, arrival - newest);
    const delay = arrival - needed - (this.base ?? 0);
    const sinceLast = arrival - (this.#delays.at(-1)?.at ?? arrival);
    this.#delays.push({ at: arrival, delay });
    while (this.#delays.length > SAMPLES_MAX || (this.#delays[0]?.at ?? arrival) < arrival - DELAY_WINDOW_MS) {
      this.#delays.shift();
    }
    const { minMs, maxMs, marginMs } = this.#bounds;
    const enough = withoutHidden(percentile(this.#delays, PERCENTILE) + marginMs, this.#bounds.hiddenMs ?? 0);
    const wanted = Math.min(maxMs, Math.max(minMs, enough));
    this.#buffer =
      wanted > this.#buffer ? wanted : this.#buffer + (wanted - this.#buffer) * (1 - Math.exp(-sinceLast / FALL_MS));
  }

  /** Takes an arrival that says nothing about the network, only about the relation of the clocks: of a backlog. */
  relate(arrival: number, newest: number): void {
    this.#rebase(arrival, arrival - newest);
  }

  /** Forgets the relation of the clocks, for a timeline that began anew; keeps what was learnt about the network. */
  restart(): void {
    this.#bases = [];
    this.#delays = [];
  }

  /** Raises the buffer by hand, after the picture stood still. */
  raise(byMs: number): void {
    this.#buffer = Math.min(this.#bounds.maxMs, this.#buffer + byMs);
  }

  /** Keeps a queue whose front is the least of the window, so that asking costs nothing. */
  #rebase(at: number, base: number): void {
    while (this.#bases.length > 0 && (this.#bases.at(-1)?.base ?? 0) >= base) this.#bases.pop();
    this.#bases.push({ at, base });
    while ((this.#bases[0]?.at ?? at) < at - BASE_WINDOW_MS) this.#bases.shift();
  }
}

function withoutHidden(ms: number, hiddenMs: number): number {
  return ms >= 2 * hiddenMs ? ms : Math.max(0, 2 * (ms - hiddenMs));
}

function percentile(samples: readonly { delay: number }[], p: number): number {
  const sorted = samples.map((sample) => sample.delay).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
}
