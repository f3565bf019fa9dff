// What the page and the worker that encodes and sends say to each other.

import type { Refusal } from '../../native/closing.ts';
import type { LinkState } from '../../native/link.ts';

/** What is sent at most; the picture is never enlarged. */
export interface FramesLimits {
  width: number;
  height: number;
  framesPerSecond: number;
  bitsPerSecond: number;
}

/** Media as streams where the page can make them, as tracks where only a worker can (Safari). */
export interface FramesSource {
  limits: FramesLimits;
  video: ReadableStream<VideoFrame> | MediaStreamTrack;
  audio: ReadableStream<AudioData> | MediaStreamTrack | undefined;
}

export type ToFramesWorker =
  | { type: 'start'; url: string; token: string | undefined; source: FramesSource }
  | { type: 'source'; source: FramesSource }
  | { type: 'pause'; paused: boolean }
  | { type: 'stop' };

export interface FramesStats {
  sent: number;
  dropped: number;
  /** Bytes sent since the last telling. */
  bytes: number;
  bitsPerSecond: number;
}

export type FromFramesWorker =
  | { type: 'link'; state: LinkState }
  | { type: 'ready'; token: string | undefined }
  | { type: 'codec'; codec: string }
  | { type: 'stats'; stats: FramesStats }
  | { type: 'viewers'; count: number }
  | { type: 'bitrate'; change: 'lowered' | 'raised'; kilobits: number }
  | { type: 'warning'; code: string; message: string }
  | { type: 'still'; jpeg: ArrayBuffer }
  | { type: 'ended' }
  | { type: 'refused'; reason: Refusal; message: string; isFinal: boolean }
  /** Frames cannot be had in this browser: another way must be taken. */
  | { type: 'unable'; message: string };
