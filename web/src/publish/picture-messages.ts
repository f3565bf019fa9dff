// What the page and its picture worker say to each other.

export interface PictureLimits {
  /** The picture is made to fit into this, never enlarged. */
  width: number;
  height: number;
  everyMs: number;
  quality: number;
}

export type ToPictureWorker =
  | { type: 'start'; limits: PictureLimits; readable?: ReadableStream<VideoFrame>; track?: MediaStreamTrack }
  | { type: 'frame'; frame: ImageBitmap; capturedAt: number }
  | { type: 'answer'; go: boolean };

export type FromPictureWorker =
  | { type: 'ask' }
  | { type: 'picture'; bytes: ArrayBuffer; capturedAt: number }
  | { type: 'cannot-read' };
