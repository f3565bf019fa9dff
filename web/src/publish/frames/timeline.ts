// Puts a track's own times onto the local clock, so that tracks of different sources share one timeline. Pure.
//
// Cameras, microphones and drawn pictures count from zeros of their own. The least delay between a media time and its
// arrival is taken as the relation of the two clocks; it leaks a little, because sound cards drift. All in microseconds.

/** Further off than this is another zero: a source that slept, or was exchanged. */
const JUMP = 500_000;
const LEAK = 0.000_5;

export class Timeline {
  #offset: number | undefined;
  #last = Number.NEGATIVE_INFINITY;

  /** Media of this time has come now. */
  observe(mediaTime: number, arrival: number): void {
    const offset = arrival - mediaTime;
    const excess = offset - (this.#offset ?? offset);
    if (this.#offset === undefined || excess < 0 || excess > JUMP) this.#offset = offset;
    else this.#offset += excess * LEAK;
  }

  /** When media of this time happened, on the local clock. Strictly increasing from call to call. */
  place(mediaTime: number): number {
    this.#last = Math.max(Math.round(mediaTime + (this.#offset ?? 0)), this.#last + 1);
    return this.#last;
  }
}
