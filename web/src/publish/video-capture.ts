// A MediaRecorder's chunks, in order, as long as it runs.
//
// The chunks of one recorder are one run of bytes: none may be left out. Sending less therefore means another recorder.

import { usesNativeDoor } from '../native/available.ts';
import type { VideoSettings } from './presets.ts';
import { Problem } from './problem.ts';

/** Keyframes this often, or those who join wait. */
const KEYFRAME_EVERY_MS = 1_000;
/** Chromium's first chunk may be a single byte. It waits for the next, so that what begins is told by its first bytes. */
const FIRST_CHUNK_MIN_BYTES = 64;
const AUDIO_BITS_PER_SECOND = 96_000;
/** Clients of StreamHub's contract send such chunks, of VP8; shorter ones are for players that look. */
const EXPECTED_CHUNK_MS = 100;

/**
 * What takes the least time, for viewers who get frames of it: at 640×480 H.264 halved the delay of VP9, whose frames come
 * unevenly, and libvpx's VP8 falls far behind when cores are short. MediaSource does not take H.264 in WebM.
 */
const QUICK_MIME_TYPES = {
  withAudio: ['video/webm;codecs=h264,opus', 'video/webm;codecs=vp9,opus'],
  videoOnly: ['video/webm;codecs=h264', 'video/webm;codecs=vp9'],
} as const;
/** Tried in this order. MP4 is what older Safari has; it is sent only if there is nothing else. */
const MIME_TYPES = {
  withAudio: ['video/webm;codecs=vp8,opus', 'video/webm;codecs=vp9,opus', 'video/webm', 'video/mp4'],
  videoOnly: ['video/webm;codecs=vp8', 'video/webm;codecs=vp9', 'video/webm', 'video/mp4'],
} as const;

export interface VideoHost {
  /** When what is in it was captured no recorder says. */
  chunk(bytes: ArrayBuffer): void;
  broken(problem: Problem): void;
}

export interface VideoCapture {
  readonly mimeType: string;
  stop(): void;
}

export function canRecord(): boolean {
  return typeof MediaRecorder !== 'undefined';
}

export function startVideoCapture(
  stream: MediaStream,
  settings: VideoSettings,
  bitsPerSecond: number,
  host: VideoHost,
): VideoCapture {
  const recorder = makeRecorder(stream, bitsPerSecond, settings.chunkMs < EXPECTED_CHUNK_MS && usesNativeDoor());
  let isStopped = false;
  // Reading a blob takes a moment, and a short one may overtake a long one.
  let order = Promise.resolve();
  let held: Blob | undefined;
  let hasBegun = false;
  recorder.ondataavailable = ({ data }) => {
    if (data.size === 0 || isStopped) return;
    const chunk = held ? new Blob([held, data]) : data;
    held = hasBegun || chunk.size >= FIRST_CHUNK_MIN_BYTES ? undefined : chunk;
    if (held) return;
    hasBegun = true;
    order = order
      .then(() => chunk.arrayBuffer())
      .then((bytes) => {
        if (!isStopped) host.chunk(bytes);
      });
  };
  recorder.onerror = (event) => {
    if (!isStopped) host.broken(new Problem('no-recorder', event.type));
  };
  recorder.start(settings.chunkMs);
  return {
    mimeType: recorder.mimeType,
    stop() {
      isStopped = true;
      if (recorder.state !== 'inactive') recorder.stop();
    },
  };
}

function makeRecorder(stream: MediaStream, bitsPerSecond: number, isForSpeed: boolean): MediaRecorder {
  if (!canRecord()) throw new Problem('no-recorder');
  const tracks = stream.getAudioTracks().length > 0 ? 'withAudio' : 'videoOnly';
  const candidates: readonly string[] = [...(isForSpeed ? QUICK_MIME_TYPES[tracks] : []), ...MIME_TYPES[tracks]];
  let reason = '';
  for (const mimeType of candidates) {
    if (!MediaRecorder.isTypeSupported(mimeType)) continue;
    const options: MediaRecorderOptions & { videoKeyFrameIntervalDuration: number } = {
      mimeType,
      videoBitsPerSecond: bitsPerSecond,
      audioBitsPerSecond: AUDIO_BITS_PER_SECOND,
      videoKeyFrameIntervalDuration: KEYFRAME_EVERY_MS,
    };
    try {
      return new MediaRecorder(stream, options);
    } catch (error) {
      reason = String(error);
    }
  }
  throw new Problem('no-recorder', reason);
}
