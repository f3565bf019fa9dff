// The page's screen as the worker sees it: pictures are handed over, and how it goes is told back.
//
// A canvas of the page shows a picture one display interval sooner than a canvas that a worker draws on; decoding stays in
// the worker all the same.

import type { FromPlayerWorker, Picture } from './messages.ts';
import type { Surface } from './screen.ts';

export class PageScreen implements Surface {
  readonly #tell: (message: FromPlayerWorker, transfer?: Transferable[]) => void;
  #waiting = 0;
  #dueOffset = 0;

  constructor(tell: (message: FromPlayerWorker, transfer?: Transferable[]) => void) {
    this.#tell = tell;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get dueOffset(): number {
    return this.#dueOffset;
  }

  set dueOffset(ms: number) {
    this.#dueOffset = ms;
  }

  arrived(arrival: number, time: number): void {
    this.#tell({ type: 'arrived', arrival, time, isSound: false });
  }

  soundArrived(arrival: number, time: number): void {
    this.#tell({ type: 'arrived', arrival, time, isSound: true });
  }

  show(picture: Picture): void {
    this.#waiting += 1;
    this.#tell({ type: 'picture', picture }, [picture.image]);
  }

  /** The page let one go. */
  released(): void {
    this.#waiting = Math.max(0, this.#waiting - 1);
  }

  restart(): void {
    this.#tell({ type: 'screen', what: 'restart' });
  }

  clear(): void {
    this.#tell({ type: 'screen', what: 'clear' });
  }
}
