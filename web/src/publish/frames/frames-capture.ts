// Sends a source as encoded frames over the native door; the work is done in a worker.

import type { Refusal } from '../../native/closing.ts';
import type { LinkState } from '../../native/link.ts';
import FramesWorker from './frames.worker.ts?worker&inline';
import type { FramesLimits, FramesSource, FramesStats, FromFramesWorker, ToFramesWorker } from './messages.ts';

export interface FramesHost {
  link(state: LinkState): void;
  /** The seat is ours. */
  ready(): void;
  codec(codec: string): void;
  stats(stats: FramesStats): void;
  bitrate(change: 'lowered' | 'raised', kilobits: number): void;
  warning(code: string, message: string): void;
  /** A small JPEG of the picture, now and then. */
  still(jpeg: ArrayBuffer): void;
  ended(): void;
  refused(reason: Refusal, message: string, isFinal: boolean): void;
  /** This browser cannot: another way must be taken. */
  unable(message: string): void;
}

export interface Tracks {
  video: MediaStreamTrack;
  audio?: MediaStreamTrack | undefined;
}

type Processor<T> = new (init: {
  track: MediaStreamTrack;
  maxBufferSize?: number;
}) => { readonly readable: ReadableStream<T> };

/** Whether it is worth to try: the worker finds out what is true. */
export function maySendFrames({ audio }: Tracks): boolean {
  const scope = globalThis as { VideoEncoder?: unknown; AudioEncoder?: unknown; MediaStreamTrackProcessor?: unknown };
  // Safari has the processor in workers only, and tracks that can be given to one.
  const givesFrames = scope.MediaStreamTrackProcessor !== undefined || isSafariLike();
  return scope.VideoEncoder !== undefined && givesFrames && (audio === undefined || scope.AudioEncoder !== undefined);
}

function isSafariLike(): boolean {
  return 'ManagedMediaSource' in globalThis && typeof MediaStreamTrack !== 'undefined';
}

export class FramesCapture {
  readonly #worker = new FramesWorker();
  #stopTracks = () => {};

  constructor(url: string, token: string | undefined, tracks: Tracks, limits: FramesLimits, host: FramesHost) {
    this.#worker.onmessage = ({ data }: MessageEvent<FromFramesWorker>) => this.#heard(data, host);
    this.#worker.onerror = (event) => host.unable(event.message);
    const { source, transfer } = this.#open(tracks, limits);
    this.#send({ type: 'start', url, token, source }, transfer);
  }

  /** Sends another picture, sound or quality over the same socket. */
  change(tracks: Tracks, limits: FramesLimits): void {
    this.#stopTracks();
    const { source, transfer } = this.#open(tracks, limits);
    this.#send({ type: 'source', source }, transfer);
  }

  setPaused(paused: boolean): void {
    this.#send({ type: 'pause', paused });
  }

  stop(): void {
    this.#stopTracks();
    this.#worker.onmessage = null;
    this.#send({ type: 'stop' });
  }

  #open(tracks: Tracks, limits: FramesLimits): { source: FramesSource; transfer: Transferable[] } {
    const MakeProcessor = (globalThis as { MediaStreamTrackProcessor?: Processor<never> }).MediaStreamTrackProcessor;
    // A track of its own: stopping the capture must not stop the preview, and a track may have one processor only. The
    // sound is only read, and goes silent with the original; given to a worker it would be gone.
    const video = tracks.video.clone();
    const audio = MakeProcessor ? tracks.audio : tracks.audio?.clone();
    this.#stopTracks = () => {
      video.stop();
      if (audio !== tracks.audio) audio?.stop();
    };
    const readable = <T>(track: MediaStreamTrack, maxBufferSize: number) =>
      MakeProcessor ? new (MakeProcessor as Processor<T>)({ track, maxBufferSize }).readable : track;
    const source: FramesSource = {
      limits,
      video: readable<VideoFrame>(video, 1),
      audio: audio ? readable<AudioData>(audio, 10) : undefined,
    };
    const transfer = [source.video, source.audio].filter((item) => item !== undefined) as unknown as Transferable[];
    return { source, transfer };
  }

  #heard(message: FromFramesWorker, host: FramesHost): void {
    switch (message.type) {
      case 'link':
        host.link(message.state);
        break;
      case 'ready':
        host.ready();
        break;
      case 'codec':
        host.codec(message.codec);
        break;
      case 'stats':
        host.stats(message.stats);
        break;
      case 'bitrate':
        host.bitrate(message.change, message.kilobits);
        break;
      case 'warning':
        host.warning(message.code, message.message);
        break;
      case 'still':
        host.still(message.jpeg);
        break;
      case 'ended':
        host.ended();
        break;
      case 'refused':
        host.refused(message.reason, message.message, message.isFinal);
        break;
      case 'unable':
        host.unable(message.message);
        break;
      case 'viewers':
        break;
    }
  }

  #send(message: ToFramesWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}
