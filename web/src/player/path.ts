// What every way of showing a stream has in common: a moving picture in an element, sound, numbers out.
//
// A path shows one kind of content until it is closed. Some are fed with what comes over Socket.IO, others have a socket
// of their own at the native door and tell what they hear there. Which one is taken, and what the person is told, is
// decided above it; another way of playing is one more file that implements `Path`.

import type { Refusal } from '../native/closing.ts';
import type { LinkState } from '../native/link.ts';

export interface Incoming {
  bytes: Uint8Array<ArrayBuffer>;
  /** `performance.now()` when it came. */
  arrival: number;
  /** When it was captured, or else when the server took it: ms since 1970, server's clock. */
  time: number;
  /** From the backlog that a joiner is given: to be shown at once, however old. */
  isBacklog: boolean;
}

/** Why a path gave up. One that has a socket of its own and cannot play a codec tries again with the next. */
export type PathFailure =
  | { kind: 'codec'; codec: string }
  /** The codec does not come in a form that the browser plays; another way may bring it in one. */
  | { kind: 'container'; codec: string; container: string }
  | { kind: 'no-media-source' }
  | { kind: 'no-webcodecs' }
  | { kind: 'no-door' }
  /** The server has no WebRTC, or nothing of it comes through. */
  | { kind: 'no-webrtc' }
  /** What is published has no frames: pictures in a format of their own, or something unknown. */
  | { kind: 'no-frames' }
  | { kind: 'broken' };

/** How a path speaks to what owns it. */
export interface PathHost {
  /** `Date.now()` in the server's clock. */
  serverNow(): number;
  /** A new picture is on the screen; `delayMs` is its age, where it is known. */
  shown(delayMs: number | undefined): void;
  /** Sound comes, and no picture will. */
  sounding(): void;
  /** The picture's size is known or has changed. */
  sized(width: number, height: number): void;
  /** The picture stood still because nothing had come. */
  stalled(): void;
  failed(failure: PathFailure): void;
  /** There is sound now, or there is none any more. */
  soundChanged(): void;
}

/** What a path with a socket of its own tells besides. */
export interface DoorHost extends PathHost {
  /** So much media came. */
  received(bytes: number, frames: number): void;
  link(state: LinkState): void;
  welcome(isPaused: boolean, isPublisherPresent: boolean): void;
  /** It is known what the stream is made of. */
  tracksKnown(): void;
  paused(isPaused: boolean): void;
  publisher(isPresent: boolean): void;
  viewers(count: number): void;
  ended(): void;
  refused(reason: Refusal, isFinal: boolean): void;
  /** The server left frames out. */
  skipped(frames: number): void;
}

export interface PathStats {
  /** Pictures that came but were not shown. */
  skipped: number;
  /** How long things are held back for smoothness, ms. */
  bufferMs: number;
}

export interface Path {
  readonly name: 'webcodecs' | 'mse' | 'whep' | 'picture' | 'jpeg' | 'webm' | 'p2p';
  /** What to put on the page. */
  readonly element: HTMLCanvasElement | HTMLVideoElement;
  /** The video that can go into a picture-in-picture window. */
  pictureInPictureVideo(): HTMLVideoElement;
  /** Whether there is anything to hear. */
  readonly hasSound: boolean;
  /** There is nothing to see in what comes. */
  readonly isSoundOnly?: boolean;
  /** False if the browser wants a click before it plays sound. */
  setSound(isMuted: boolean, volume: number): Promise<boolean>;
  /** The page came into view or left it. */
  setVisible(visible: boolean): void;
  stats(): PathStats;
  /** `hasEnded`: so has the stream, and what the server had for it. */
  close(hasEnded?: boolean): void;
}

/** A path that shows what it is given. */
export interface FedPath extends Path {
  push(frame: Incoming): void;
}

/** Whether tracks that are known have sound among them and no picture. */
export function areSoundOnly(tracks: readonly { kind: string }[]): boolean {
  return tracks.length > 0 && tracks.every(({ kind }) => kind === 'audio');
}

/** Sound of a path whose picture is a video element. */
export async function setVideoSound(video: HTMLVideoElement, isMuted: boolean, volume: number): Promise<boolean> {
  video.volume = volume;
  video.muted = isMuted;
  try {
    await video.play();
    return true;
  } catch (error) {
    // Interrupted by a load or a removal is not refused.
    return !(error instanceof DOMException && error.name === 'NotAllowedError');
  }
}
