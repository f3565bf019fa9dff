// Tells the frames of a backlog from live ones. Pure.
//
// Who joins is given what came before in one burst: such frames come faster than they were made. The first one that takes
// its time, or comes after one, is live, and so is everything after it, however unevenly it comes.

/** A frame that took at least this share of its own time to come is live. */
const LIVE_SHARE = 0.5;
/** A backlog has come by now. */
const BURST_MAX_MS = 1_500;

export class CatchUp {
  #began: number | undefined;
  #previous: { arrival: number; time: number } | undefined;
  #isLive = false;

  /** Whether this frame, in ms, belongs to the backlog. */
  isBacklog(arrival: number, time: number): boolean {
    if (this.#isLive) return false;
    this.#began ??= arrival;
    const { previous } = this.#turn(arrival, time);
    if (arrival - this.#began > BURST_MAX_MS) this.#isLive = true;
    else if (previous && time > previous.time) {
      this.#isLive = arrival - previous.arrival >= (time - previous.time) * LIVE_SHARE;
    }
    return !this.#isLive;
  }

  /** What comes next begins with a backlog again. */
  restart(): void {
    this.#began = undefined;
    this.#previous = undefined;
    this.#isLive = false;
  }

  #turn(arrival: number, time: number) {
    const previous = this.#previous;
    this.#previous = { arrival, time };
    return { previous };
  }
}
