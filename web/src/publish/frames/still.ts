// A small picture of the stream now and then, for who looks at the list of streams.

const WIDTH = 480;
const HEIGHT = 270;
const EVERY_MS = 5_000;
const QUALITY = 0.6;

export class Stills {
  readonly #canvas = new OffscreenCanvas(2, 2);
  readonly #made: (jpeg: ArrayBuffer) => void;
  #nextAt = 0;

  constructor(made: (jpeg: ArrayBuffer) => void) {
    this.#made = made;
  }

  /** Looks at the frame if it is time; leaves it as it is. */
  look(frame: VideoFrame, now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    const scale = Math.min(1, WIDTH / frame.displayWidth, HEIGHT / frame.displayHeight);
    const canvas = this.#canvas;
    canvas.width = Math.max(2, Math.round(frame.displayWidth * scale));
    canvas.height = Math.max(2, Math.round(frame.displayHeight * scale));
    canvas.getContext('2d', { alpha: false })?.drawImage(frame, 0, 0, canvas.width, canvas.height);
    canvas
      .convertToBlob({ type: 'image/jpeg', quality: QUALITY })
      .then((blob) => blob.arrayBuffer())
      .then(this.#made)
      .catch(() => {
        // A stream without a still is a stream.
      });
  }
}
