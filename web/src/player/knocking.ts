// Asks now and then whether a stream that has ended is there again.
//
// Whoever watched stays on the page, and the same key may be opened again: an ffmpeg that is started anew. A socket of the
// native door that wants no media says it, at little cost; the waits grow and differ for each. Nobody asks for a page that
// is not seen: it asks when it is seen again.

import { Backoff, type BackoffBounds } from '../native/backoff.ts';
import { WatchDoor } from '../native/watch-door.ts';

const BOUNDS: BackoffBounds = { firstMs: 5_000, maxMs: 30_000 };

/** How a knock went: it is there; not yet; there is no such door and never will be. */
export type Answer = 'there' | 'not-yet' | 'never';

/** Asks once; answers once, unless it is called off with what it gave back. */
export type Knock = (answer: (answer: Answer) => void) => () => void;

export class Knocking {
  readonly #knock: Knock;
  readonly #opened: () => void;
  readonly #backoff = new Backoff(Math.random, BOUNDS);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #callOff: (() => void) | undefined;
  #isSeen: boolean;
  /** It would have asked, had it been seen. */
  #isDue = false;

  constructor(knock: Knock, isSeen: boolean, opened: () => void) {
    this.#knock = knock;
    this.#isSeen = isSeen;
    this.#opened = opened;
    this.#later();
  }

  set isSeen(isSeen: boolean) {
    this.#isSeen = isSeen;
    if (isSeen && this.#isDue) this.#ask();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isDue = false;
    this.#callOff?.();
    this.#callOff = undefined;
  }

  #later(): void {
    this.#timer = setTimeout(() => this.#ask(), this.#backoff.next());
  }

  #ask(): void {
    this.#isDue = !this.#isSeen;
    if (this.#isDue) return;
    this.#callOff = this.#knock((answer) => {
      this.stop();
      if (answer === 'there') this.#opened();
      else if (answer === 'not-yet') this.#later();
    });
  }
}

/** A knock at the native door. */
export function atDoor(url: string): Knock {
  return (answer) => {
    const nothing = () => {};
    const door = new WatchDoor(
      url,
      {
        welcome: () => answer('there'),
        refused: (reason) => answer(reason === 'no-door' ? 'never' : 'not-yet'),
        // A server that is away is tried again by the socket itself, as in every other state.
        link: nothing,
        tracks: nothing,
        frame: nothing,
        restarted: nothing,
        skipped: nothing,
        paused: nothing,
        publisher: nothing,
        viewers: nothing,
        ended: nothing,
      },
      true,
    );
    door.open();
    return () => door.close();
  };
}
