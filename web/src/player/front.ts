// Two ways of one stream, through the server and from peer to peer, of which one is shown. The next shows a picture behind
// the one before until it can be trusted, and only then takes its place; the one before rests or is closed after that.
//
// Invariant: what is shown is never closed for the sake of something that has shown nothing yet.

import type { Path } from './path.ts';
import { Pulse } from './pulse.ts';

export type Side = 'central' | 'peer';

export interface FrontHost {
  /** Show this one; the other, if there is one, stays behind it. */
  path(path: Path, behind: Path | undefined): void;
  /** Put it behind what is shown, where it can begin. */
  behind(path: Path): void;
  /** Another side is shown now. */
  swapped(side: Side): void;
}

interface Way {
  path: Path;
  pulse: Pulse;
}

export class Front {
  readonly #host: FrontHost;
  #ways: Partial<Record<Side, Way>> = {};
  #shown: Side = 'central';
  #wanted: Side = 'central';
  #isVisible = !document.hidden;

  constructor(host: FrontHost) {
    this.#host = host;
  }

  /** Which side is shown. */
  get side(): Side {
    return this.#shown;
  }

  get path(): Path | undefined {
    return this.#ways[this.#shown]?.path;
  }

  /** A side has a path now, or has none any more. */
  set(side: Side, path: Path | undefined, pulse = new Pulse()): void {
    const other = otherThan(side);
    if (!path) {
      delete this.#ways[side];
      if (side === this.#shown && this.#ways[other]?.pulse.isTrusted(performance.now())) this.#swap(other);
      else if (side === 'peer') this.#shown = this.#wanted = 'central';
      return;
    }
    this.#ways[side] = { path, pulse };
    if (side === this.#shown || !this.#ways[this.#shown]) {
      this.#shown = side;
      this.#host.path(path, this.#ways[other]?.path);
    } else this.#host.behind(path);
    this.#steer();
  }

  /** Which side shall be shown, as soon as it can be trusted. */
  want(side: Side): void {
    if (side === this.#wanted) return;
    this.#wanted = side;
    const central = this.#ways.central;
    // After a rest it begins anew.
    if (side === 'central' && central && this.#shown === 'peer') central.pulse = new Pulse();
    this.#steer();
  }

  /** A side has a new picture; true if it is the one that is shown. */
  pictured(side: Side, ageMs: number | undefined): boolean {
    const way = this.#ways[side];
    if (!way) return false;
    const now = performance.now();
    way.pulse.shown(now, ageMs);
    const isNext = side !== this.#shown && side === this.#wanted && way.pulse.isTrusted(now);
    // A window of its own shows what was shown when it was opened: it is not left behind with a picture that rests.
    if (isNext && !document.pictureInPictureElement) this.#swap(side);
    return side === this.#shown;
  }

  setVisible(isVisible: boolean): void {
    this.#isVisible = isVisible;
    this.#ways.peer?.pulse.rest();
    this.#steer();
  }

  #swap(side: Side): void {
    const way = this.#ways[side];
    if (!way) return;
    this.#shown = side;
    this.#host.path(way.path, this.#ways[otherThan(side)]?.path);
    this.#steer();
    this.#host.swapped(side);
  }

  /** The way through the server rests, silent and without media, while it is neither shown nor wanted. */
  #steer(): void {
    const central = this.#ways.central?.path;
    const isResting = this.#shown === 'peer' && this.#wanted === 'peer';
    if (isResting) void central?.setSound(true, 0);
    central?.setVisible(this.#isVisible && !isResting);
    this.#ways.peer?.path.setVisible(this.#isVisible);
  }
}

function otherThan(side: Side): Side {
  return side === 'central' ? 'peer' : 'central';
}
