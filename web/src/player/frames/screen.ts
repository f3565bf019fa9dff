// Draws decoded pictures when they are due: the newest due one, the others are skipped.
//
// A picture is drawn at its time and not at the animation frame after it: it reaches the screen with the same frame, and
// whatever looks at the canvas in that frame sees it. The first picture, and the first after a rest, is drawn at once.
// Runs wherever there is a canvas, on a page or in a worker. Local times are ms since 1970, so that both mean the same.

import { localNow } from '../../native/link.ts';
import { FrameBuffer } from '../frame-buffer.ts';
import { CatchUp } from './catch-up.ts';
import type { Picture } from './messages.ts';

/** Where decoded pictures go. */
export interface Surface {
  /** A frame of this time came; said on arrival, before it is decoded. */
  arrived(arrival: number, time: number): void;
  /** Sound counts as well while it is heard: it must be there in time too. */
  soundArrived(arrival: number, time: number): void;
  show(picture: Picture): void;
  /** What comes next begins with a backlog. */
  restart(): void;
  /** Nothing is shown until the next picture, which is shown at once. */
  clear(): void;
  /** Pictures that were given and are not let go yet. */
  readonly waiting: number;
  /** What to add to a picture's time to have the local time at which it is due. */
  readonly dueOffset: number;
}

export interface ScreenHost {
  drawn(picture: Picture): void;
  sized(width: number, height: number): void;
  /** A picture was let go: there is room for another one. */
  released(): void;
  /** The time of the sound that is heard at this local time, ms; undefined without sound. */
  heard(now: number): number | undefined;
}

/** A page that has just begun is late by its own doing: so long, lateness says nothing about the network. */
const SETTLE_MS = 1_000;

export class Screen implements Surface {
  readonly #canvas: OffscreenCanvas | HTMLCanvasElement;
  readonly #context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null;
  readonly #host: ScreenHost;
  readonly #catchUp = new CatchUp();
  readonly #buffer: FrameBuffer<Picture>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isFresh = true;
  #liveSince: number | undefined;

  constructor(canvas: OffscreenCanvas | HTMLCanvasElement, host: ScreenHost) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D | null;
    this.#host = host;
    this.#buffer = new FrameBuffer<Picture>(
      ({ image }) => {
        image.close();
        host.released();
      },
      // What was made before this viewer came is no loss.
      ({ arrival }) => this.#liveSince !== undefined && arrival >= this.#liveSince,
    );
  }

  get waiting(): number {
    return this.#buffer.waiting;
  }

  get skipped(): number {
    return this.#buffer.skipped;
  }

  get bufferMs(): number {
    return this.#buffer.bufferMs;
  }

  get dueOffset(): number {
    return this.#buffer.dueOffset;
  }

  arrived(arrival: number, time: number): void {
    if (!this.#catchUp.isBacklog(arrival, time)) this.#liveSince ??= arrival;
    if (this.#isSettled(arrival)) this.#buffer.arrived(arrival, time);
    else this.#buffer.arrivedLate(arrival, time);
  }

  soundArrived(arrival: number, time: number): void {
    if (this.#isSettled(arrival)) this.#buffer.arrived(arrival, time);
  }

  show(picture: Picture): void {
    if (this.#isFresh) {
      this.#isFresh = false;
      this.#draw(picture);
      return;
    }
    this.#buffer.push(picture);
    this.#turn();
  }

  restart(): void {
    this.#liveSince = undefined;
    this.#catchUp.restart();
    this.#buffer.restart();
  }

  clear(): void {
    this.#buffer.clear();
    this.#liveSince = undefined;
    this.#catchUp.restart();
    this.#isFresh = true;
  }

  #isSettled(now: number): boolean {
    return this.#liveSince !== undefined && now - this.#liveSince > SETTLE_MS;
  }

  /** Draws what is due, and comes back when the next one is. */
  #turn(): void {
    clearTimeout(this.#timer);
    const now = localNow();
    const heard = this.#host.heard(now);
    const picture = this.#buffer.take(now, heard);
    if (picture) this.#draw(picture);
    const wait = this.#buffer.untilDue(now, heard);
    if (wait !== undefined) this.#timer = setTimeout(() => this.#turn(), wait);
  }

  #draw(picture: Picture): void {
    const { image } = picture;
    const [width, height] =
      'displayWidth' in image ? [image.displayWidth, image.displayHeight] : [image.width, image.height];
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#host.sized(width, height);
    }
    this.#context?.drawImage(image, 0, 0, width, height);
    image.close();
    this.#host.drawn(picture);
    this.#host.released();
  }
}
