// Chooses the path for media that come over Socket.IO by what comes, and feeds it.
//
// A publisher may change from pictures to video and back on the same stream. What is too short to be told apart waits.

import { concat, isPicture, mayBeginWebm, SNIFF_BYTES, sniff } from '../wire/payload.ts';
import { beginsMp4 } from './mp4-init.ts';
import type { FedPath, Incoming } from './path.ts';

export type FedKind = 'picture' | 'webm';

export interface FedMediaHost {
  open(kind: FedKind): FedPath;
}

export class FedMedia {
  readonly #host: FedMediaHost;
  #kind: FedKind | undefined;
  #path: FedPath | undefined;
  /** First bytes of a stream that are too few to tell what it is. */
  #undecided: Uint8Array<ArrayBuffer>[] = [];

  constructor(host: FedMediaHost) {
    this.#host = host;
  }

  get kind(): FedKind | undefined {
    return this.#kind;
  }

  /** What comes next is the beginning of something; the path of before is closed by who opened it. */
  restart(): void {
    this.#kind = undefined;
    this.#path = undefined;
    this.#undecided = [];
  }

  take(frame: Incoming): void {
    const first = this.#kind ? this.#reconsider(this.#kind, frame) : this.#decide(frame);
    if (first) this.#path?.push(first);
  }

  /** Chooses the path by the first bytes; gives back what it should have, joined with what had to wait. */
  #decide(frame: Incoming): Incoming | undefined {
    const bytes = this.#undecided.length > 0 ? concat([...this.#undecided, frame.bytes]) : frame.bytes;
    const content = sniff(bytes);
    if (isPicture(content)) this.#open('picture');
    else if (content === 'webm' || beginsMp4(bytes)) this.#open('webm');
    else {
      // Too few bytes to tell, or the middle of something: a recorder's next beginning will tell.
      this.#undecided = mayBeginWebm(bytes) || bytes.length < SNIFF_BYTES ? [bytes] : [];
      return undefined;
    }
    this.#undecided = [];
    return { ...frame, bytes };
  }

  #reconsider(kind: FedKind, frame: Incoming): Incoming | undefined {
    if (kind === 'webm') {
      if (isWholeJpeg(frame.bytes)) this.#open('picture');
      return frame;
    }
    const bytes = this.#undecided.length > 0 ? concat([...this.#undecided, frame.bytes]) : frame.bytes;
    this.#undecided = mayBeginWebm(bytes) ? [bytes] : [];
    if (this.#undecided.length > 0) return undefined;
    if (sniff(bytes) === 'webm' || beginsMp4(bytes)) this.#open('webm');
    return { ...frame, bytes };
  }

  #open(kind: FedKind): void {
    this.#path = this.#host.open(kind);
    this.#kind = kind;
  }
}

/** Three magic bytes alone do occur in the middle of a video. */
function isWholeJpeg(bytes: Uint8Array): boolean {
  return sniff(bytes) === 'jpeg' && bytes.at(-2) === 0xff && bytes.at(-1) === 0xd9;
}
