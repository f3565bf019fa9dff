// Puts a track's own times onto the local clock, so that tracks of different sources share one timeline. Pure.
//
// Cameras, microphones and drawn pictures count from zeros of their own. The least delay between a media time and its
// arrival is taken as the relation of the two clocks; it leaks a little, because sound cards drift, and steps when nothing has
// come as early for a while: a sound card whose clock stood still does not catch up. All in microseconds.

/** Further off than this is another zero: a source that slept, or was exchanged. */
const JUMP = 500_000;
const LEAK = 0.000_5;
/** Sound that is this much late is noticed (ITU-R BT.1359 has 45 ms for sound that is early). */
const LATE = 40_000;
/** What stays late for a window was not held up on its way. The first are short: much stands still while a stream begins. */
const WINDOW_MIN = 500_000;
const WINDOW_MAX = 5_000_000;

export class Timeline {
  #offset: number | undefined;
  #last = Number.NEGATIVE_INFINITY;
  #window = WINDOW_MIN;
  #windowEnd = 0;
  #least = Number.POSITIVE_INFINITY;

  /** Media of this time has come now. */
  observe(mediaTime: number, arrival: number): void {
    const offset = arrival - mediaTime;
    const excess = offset - (this.#offset ?? offset);
    if (this.#offset === undefined || excess < 0 || excess > JUMP) this.#offset = offset;
    else this.#offset += excess * LEAK;
    this.#least = Math.min(this.#least, offset);
    if (arrival < this.#windowEnd) return;
    if (this.#least - this.#offset > LATE) this.#offset = this.#least;
    this.#windowEnd = arrival + this.#window;
    this.#window = Math.min(2 * this.#window, WINDOW_MAX);
    this.#least = Number.POSITIVE_INFINITY;
  }

  /** When media of this time happened, on the local clock. Strictly increasing from call to call. */
  place(mediaTime: number): number {
    this.#last = Math.max(Math.round(mediaTime + (this.#offset ?? 0)), this.#last + 1);
    return this.#last;
  }
}
