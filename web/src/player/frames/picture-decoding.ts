// Decodes a track whose every frame is a whole picture. Works without WebCodecs and outside secure contexts.

import type { Frame } from '../../native/frame.ts';
import type { Decoding, DecodingHost } from './video-decoding.ts';

/** Decoding this many at once already; the next picture is left out. A picture is never worth a queue. */
const INSIDE_MAX = 3;

export class PictureDecoding implements Decoding {
  readonly #host: DecodingHost;
  #inside = 0;
  #newest = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(host: DecodingHost) {
    this.#host = host;
  }

  take(frame: Frame, arrival: number): void {
    if (this.#inside >= INSIDE_MAX) {
      this.#host.lost(1);
      return;
    }
    this.#inside += 1;
    createImageBitmap(new Blob([frame.payload]))
      .then((image) => {
        // Two decodings may finish in the other order: what is older than what came after it is not shown any more.
        if (this.#isClosed || frame.timestamp < this.#newest) {
          image.close();
          return;
        }
        this.#newest = frame.timestamp;
        this.#host.decoded({ image, timestamp: frame.timestamp, capturedAt: frame.capturedAt, arrival });
      })
      .catch(() => this.#host.lost(1))
      .finally(() => {
        this.#inside -= 1;
      });
  }

  pump(): void {}

  restart(): void {
    this.#newest = Number.NEGATIVE_INFINITY;
  }

  close(): void {
    this.#isClosed = true;
  }
}
