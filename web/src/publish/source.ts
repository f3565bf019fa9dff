// Where picture and sound come from: camera, screen or the drawn test picture, and a microphone beside it.
//
// A `Source` owns its tracks and stops them. What goes wrong is named (`Problem`), never thrown as the browser words it.

import { Problem, problemOf } from './problem.ts';
import { startTestPicture } from './test-picture.ts';

export const SOURCES = ['camera', 'screen', 'test'] as const;
export type SourceKind = (typeof SOURCES)[number];

export interface SourceWish {
  kind: SourceKind;
  width: number;
  height: number;
  framesPerSecond: number;
  cameraId?: string | undefined;
  /** Undefined for no microphone; an empty text for the usual one. */
  microphoneId?: string | undefined;
}

export interface Source {
  kind: SourceKind | 'stream';
  stream: MediaStream;
  video: MediaStreamTrack;
  audio: MediaStreamTrack | undefined;
  /** The microphone was wanted but could not be had; the picture goes without. */
  microphoneProblem: Problem | undefined;
  stop(): void;
}

/** A secure context is what browsers demand before they give a camera. */
export function captureObstacle(kind: SourceKind): Problem | undefined {
  if (kind === 'test') return undefined;
  if (!globalThis.isSecureContext) return new Problem('no-secure-context', location.origin);
  const devices = navigator.mediaDevices;
  if (!devices) return new Problem('no-camera-api');
  if (kind === 'screen' && !('getDisplayMedia' in devices)) return new Problem('no-camera-api');
  return undefined;
}

export async function openSource(wish: SourceWish): Promise<Source> {
  const obstacle = captureObstacle(wish.kind);
  if (obstacle) throw obstacle;
  const picture = await openPicture(wish);
  const { video, audio } = picture;
  const source: Source = {
    kind: wish.kind,
    stream: new MediaStream(audio ? [video, audio] : [video]),
    video,
    audio,
    microphoneProblem: undefined,
    stop() {
      picture.stop();
      source.audio?.stop();
    },
  };
  if (wish.microphoneId === undefined) return source;
  try {
    await addMicrophone(source, wish.microphoneId);
  } catch (error) {
    source.microphoneProblem = problemOf(error, 'camera');
  }
  return source;
}

/** A stream that somebody else opened, and closes. */
export function sourceOf(stream: MediaStream): Source {
  const video = stream.getVideoTracks()[0];
  if (!video) throw new Problem('no-device', 'the stream has no picture');
  return { kind: 'stream', stream, video, audio: stream.getAudioTracks()[0], microphoneProblem: undefined, stop() {} };
}

/** Cameras and microphones by name; names are empty until a permission was given once. */
export async function listDevices(): Promise<{ cameras: MediaDeviceInfo[]; microphones: MediaDeviceInfo[] }> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const usable = all.filter((device) => device.deviceId !== '');
  return {
    cameras: usable.filter((device) => device.kind === 'videoinput'),
    microphones: usable.filter((device) => device.kind === 'audioinput'),
  };
}

interface Picture {
  video: MediaStreamTrack;
  /** A shared tab or screen may bring its own sound. */
  audio?: MediaStreamTrack;
  stop(): void;
}

async function openPicture(wish: SourceWish): Promise<Picture> {
  const { width, height, framesPerSecond } = wish;
  try {
    if (wish.kind === 'test') {
      const drawn = startTestPicture(width, height, framesPerSecond);
      return { video: drawn.track, stop: drawn.stop };
    }
    const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: framesPerSecond } };
    const stream =
      wish.kind === 'camera'
        ? await navigator.mediaDevices.getUserMedia({
            video: wish.cameraId ? { ...size, deviceId: { exact: wish.cameraId } } : { ...size, facingMode: 'user' },
          })
        : await navigator.mediaDevices.getDisplayMedia({
            video: { frameRate: { ideal: framesPerSecond, max: 30 }, width: { max: 1920 }, height: { max: 1080 } },
            audio: true,
          });
    const video = stream.getVideoTracks()[0];
    const audio = stream.getAudioTracks()[0];
    if (!video) throw new Problem('no-device');
    video.contentHint = wish.kind === 'screen' ? 'detail' : 'motion';
    const stop = () => {
      for (const track of stream.getTracks()) track.stop();
    };
    return audio ? { video, audio, stop } : { video, stop };
  } catch (error) {
    throw problemOf(error, wish.kind);
  }
}

/** Gives an open source a microphone, without asking for the picture again. */
export async function addMicrophone(source: Source, deviceId: string): Promise<void> {
  let track: MediaStreamTrack;
  try {
    track = await openMicrophone(deviceId);
  } catch (error) {
    throw problemOf(error, 'camera');
  }
  source.audio?.stop();
  source.audio = track;
  source.stream = new MediaStream([source.video, track]);
}

async function openMicrophone(deviceId: string): Promise<MediaStreamTrack> {
  if (!globalThis.isSecureContext) throw new Problem('no-secure-context', location.origin);
  if (!navigator.mediaDevices) throw new Problem('no-camera-api');
  const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: deviceId === '' ? wanted : { ...wanted, deviceId: { exact: deviceId } },
  });
  const track = stream.getAudioTracks()[0];
  if (!track) throw new Problem('no-device');
  return track;
}
