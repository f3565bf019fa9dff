// Shows a stream of whole pictures (JPEG, PNG, WebP) on a canvas.
//
// Pictures are decoded as they come and drawn when they are due. A hidden page decodes nothing but keeps the newest; when
// it comes back, that one is shown and nothing is played out. A picture-in-picture window counts as being seen.

import { FrameBuffer, type Timed } from './frame-buffer.ts';
import type { FedPath, Incoming, PathHost, PathStats } from './path.ts';

/** Decoding this many at once already; the next picture is skipped. A picture is never worth a queue. */
const DECODING_MAX = 3;

interface Picture extends Timed {
  bitmap: ImageBitmap;
}

export class PicturePath implements FedPath {
  readonly name = 'picture';
  readonly hasSound = false;
  readonly element = document.createElement('canvas');
  readonly #context = this.element.getContext('2d', { alpha: false });
  readonly #host: PathHost;
  readonly #buffer = new FrameBuffer<Picture>((picture) => picture.bitmap.close());
  #decoding = 0;
  #undecoded = 0;
  #newestTime = Number.NEGATIVE_INFINITY;
  #animation = 0;
  #visible = !document.hidden;
  #asleep: Incoming | undefined;
  #isEmpty = true;
  #isClosed = false;
  #window: HTMLVideoElement | undefined;

  constructor(host: PathHost) {
    this.#host = host;
  }

  push(frame: Incoming): void {
    if (!frame.isBacklog) this.#buffer.arrived(frame.arrival, frame.time);
    if (!this.#isSeen) {
      this.#asleep = frame;
      return;
    }
    if (this.#decoding >= DECODING_MAX) {
      this.#undecoded += 1;
      return;
    }
    void this.#decode(frame);
  }

  async setSound(): Promise<boolean> {
    return true;
  }

  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (!visible) return;
    const newest = this.#buffer.takeNewest();
    if (newest) this.#draw(newest);
    if (this.#asleep) void this.#decode({ ...this.#asleep, isBacklog: true });
    this.#asleep = undefined;
  }

  stats(): PathStats {
    return { skipped: this.#buffer.skipped + this.#undecoded, bufferMs: Math.round(this.#buffer.bufferMs) };
  }

  pictureInPictureVideo(): HTMLVideoElement {
    if (!this.#window) {
      this.#window = document.createElement('video');
      this.#window.muted = true;
      this.#window.playsInline = true;
      this.#window.srcObject = this.element.captureStream();
      void this.#window.play().catch(() => {});
    }
    return this.#window;
  }

  close(): void {
    this.#isClosed = true;
    cancelAnimationFrame(this.#animation);
    this.#buffer.clear();
    if (this.#window) this.#window.srcObject = null;
  }

  get #isSeen(): boolean {
    return this.#visible || (this.#window !== undefined && document.pictureInPictureElement === this.#window);
  }

  async #decode(frame: Incoming): Promise<void> {
    this.#decoding += 1;
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(new Blob([frame.bytes]));
    } catch {
      this.#undecoded += 1;
      return;
    } finally {
      this.#decoding -= 1;
    }
    // Two decodings may finish in the other order: what is older than what came after it is not shown any more.
    if (this.#isClosed || frame.time < this.#newestTime) {
      bitmap.close();
      return;
    }
    this.#newestTime = frame.time;
    const picture = { bitmap, time: frame.time, arrival: frame.arrival };
    if (this.#isEmpty || frame.isBacklog || !this.#visible) this.#draw(picture);
    else {
      this.#buffer.push(picture);
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#animation !== 0) return;
    this.#animation = requestAnimationFrame((now) => {
      this.#animation = 0;
      const picture = this.#buffer.take(now);
      if (picture) this.#draw(picture);
      if (this.#buffer.waiting > 0) this.#schedule();
    });
  }

  #draw({ bitmap, time }: Picture): void {
    const { width, height } = bitmap;
    if (this.element.width !== width || this.element.height !== height) {
      this.element.width = width;
      this.element.height = height;
      this.#host.sized(width, height);
    }
    this.#context?.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.#isEmpty = false;
    this.#host.shown(this.#host.serverNow() - time);
  }
}
