// What every way of showing a stream has in common: bytes in, a moving picture in an element, numbers out.
//
// A path shows one kind of content until it is closed. Which one is taken, and what the person is told, is decided above
// it; another way of playing is one more file that implements `Path`.

export interface Incoming {
  bytes: Uint8Array<ArrayBuffer>;
  /** `performance.now()` when it came. */
  arrival: number;
  /** When it was captured, or else when the server took it: ms since 1970, server's clock. */
  time: number;
  /** From the backlog that a joiner is given: to be shown at once, however old. */
  isBacklog: boolean;
}

/** Why a path gave up. */
export type PathFailure = { kind: 'codec'; codec: string } | { kind: 'no-media-source' } | { kind: 'broken' };

/** How a path speaks to what owns it. */
export interface PathHost {
  /** `Date.now()` in the server's clock. */
  serverNow(): number;
  /** A new picture is on the screen; `delayMs` is its age, where it is known. */
  shown(delayMs: number | undefined): void;
  /** The picture's size is known or has changed. */
  sized(width: number, height: number): void;
  /** The picture stood still because nothing had come. */
  stalled(): void;
  failed(failure: PathFailure): void;
}

export interface PathStats {
  /** Pictures that came but were not shown. */
  skipped: number;
  /** How long things are held back for smoothness, ms. */
  bufferMs: number;
}

export interface Path {
  readonly name: 'picture' | 'webm';
  /** What to put on the page. */
  readonly element: HTMLCanvasElement | HTMLVideoElement;
  /** The video that can go into a picture-in-picture window. */
  pictureInPictureVideo(): HTMLVideoElement;
  push(frame: Incoming): void;
  /** The page came into view or left it. */
  setVisible(visible: boolean): void;
  stats(): PathStats;
  close(): void;
}
