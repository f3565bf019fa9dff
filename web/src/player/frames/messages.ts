// What the page and the worker that receives, decodes and draws say to each other.

import type { Refusal } from '../../native/closing.ts';
import type { LinkState } from '../../native/link.ts';
import type { Track } from '../../native/messages.ts';
import type { PathFailure } from '../path.ts';

/** How the sound output's clock stands to the wall clock. */
export interface SoundClock {
  /** The audio context's time, ms. */
  contextMs: number;
  /** When that is heard: ms since 1970, local clock. */
  heardAt: number;
}

export type ToPlayerWorker =
  /** With a canvas the worker draws; without, the page does. */
  | { type: 'start'; url: string; canvas: OffscreenCanvas | undefined; isVisible: boolean }
  /** The page let a picture go. */
  | { type: 'released' }
  /** Pictures of time T are due at the local time T + offset, on the page's screen. */
  | { type: 'due'; offsetMs: number }
  | { type: 'visible'; isVisible: boolean }
  /** Sound goes to this port from now on; null: nobody listens. */
  | { type: 'sound'; port: MessagePort | null }
  | { type: 'sound-clock'; clock: SoundClock }
  | { type: 'close' };

/** A decoded picture; times in ms, `arrival` in the local clock since 1970. */
export interface Picture {
  image: VideoFrame | ImageBitmap;
  /** On the stream's timeline. */
  time: number;
  arrival: number;
  /** Server's clock, since 1970; 0 if unknown. */
  capturedAt: number;
}

export interface FramesStats {
  skipped: number;
  bufferMs: number;
  /** Bytes since the last telling. */
  bytes: number;
  /** Video frames since the last telling. */
  arrived: number;
  /** What to add to the local clock to have the server's, ms. */
  clockOffsetMs: number;
}

export type FromPlayerWorker =
  | { type: 'link'; state: LinkState }
  | { type: 'welcome'; isPaused: boolean; isPublisherPresent: boolean; viewers: number }
  | { type: 'tracks'; tracks: readonly Track[] }
  | { type: 'paused'; isPaused: boolean }
  | { type: 'publisher'; isPresent: boolean }
  | { type: 'viewers'; count: number }
  | { type: 'ended' }
  | { type: 'refused'; reason: Refusal; message: string; isFinal: boolean }
  /** For the page's screen. */
  | { type: 'arrived'; arrival: number; time: number; isSound: boolean }
  | { type: 'picture'; picture: Picture }
  | { type: 'screen'; what: 'restart' | 'clear' }
  | { type: 'heard'; timeMs: number; at: number }
  /** Of the worker's own screen. */
  | { type: 'shown'; delayMs: number | undefined }
  | { type: 'sized'; width: number; height: number }
  | { type: 'skipped'; frames: number }
  | { type: 'stats'; stats: FramesStats }
  | { type: 'failed'; failure: PathFailure };

/** From the worker to the sound ring: sound of this time, one array a channel. */
export type ToSoundRing =
  | { type: 'samples'; timeMs: number; sampleRate: number; channels: Float32Array[] }
  /** Sound of time T is wanted at the context's time T − offset. */
  | { type: 'schedule'; offsetMs: number }
  | { type: 'clear' };

/** From the sound ring: what it plays at which of its own times. */
export interface FromSoundRing {
  contextMs: number;
  timeMs: number;
  /** False while it has nothing to play. */
  isPlaying: boolean;
}
