// JPEG pictures of a video track at an even pace, hidden tab or not.
//
// Three ways to get at frames, the best that the browser has: a track processor on the page whose stream goes to the
// worker (Chromium), a track given to the worker (Safari), a video element looked at on a worker's ticks (the rest).

import PictureWorker from './picture.worker.ts?worker&inline';
import type { FromPictureWorker, PictureLimits, ToPictureWorker } from './picture-messages.ts';
import { Problem } from './problem.ts';
import { startTicks } from './ticks.ts';

export interface PictureCapture {
  stop(): void;
}

export interface PictureHost {
  /** May the next picture be made and sent now? */
  mayGo(): boolean;
  /** `capturedAt` in the local clock, ms since 1970. */
  picture(bytes: ArrayBuffer, capturedAt: number): void;
  dropped(): void;
}

type TrackProcessorConstructor = new (init: {
  track: MediaStreamTrack;
  maxBufferSize?: number;
}) => {
  readonly readable: ReadableStream<VideoFrame>;
};

export function startPictureCapture(track: MediaStreamTrack, limits: PictureLimits, host: PictureHost): PictureCapture {
  if (typeof OffscreenCanvas === 'undefined') throw new Problem('no-picture-encoder');
  const worker = new PictureWorker();
  // A track of its own: stopping the capture must not stop the preview, and a track may have one processor only.
  const own = track.clone();
  const send = (message: ToPictureWorker, transfer: Transferable[] = []) => worker.postMessage(message, transfer);
  let stopWatching = () => {};

  worker.onmessage = ({ data }: MessageEvent<FromPictureWorker>) => {
    switch (data.type) {
      case 'ask': {
        const go = host.mayGo();
        if (!go) host.dropped();
        send({ type: 'answer', go });
        break;
      }
      case 'picture':
        host.picture(data.bytes, data.capturedAt);
        break;
      case 'cannot-read':
        stopWatching = watchVideo(track, limits, send);
        break;
    }
  };

  const Processor = (globalThis as { MediaStreamTrackProcessor?: TrackProcessorConstructor }).MediaStreamTrackProcessor;
  if (Processor) {
    const { readable } = new Processor({ track: own, maxBufferSize: 1 });
    send({ type: 'start', limits, readable }, [readable]);
  } else {
    try {
      send({ type: 'start', limits, track: own }, [own as unknown as Transferable]);
    } catch {
      send({ type: 'start', limits });
      stopWatching = watchVideo(track, limits, send);
    }
  }

  return {
    stop() {
      stopWatching();
      own.stop();
      worker.terminate();
    },
  };
}

/** Looks at a video element on every tick and hands what it shows to the worker. */
function watchVideo(
  track: MediaStreamTrack,
  limits: PictureLimits,
  send: (message: ToPictureWorker, transfer: Transferable[]) => void,
): () => void {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  void video.play().catch(() => {});
  let isLooking = false;
  const stopTicks = startTicks(limits.everyMs, () => {
    if (isLooking || video.readyState < 2) return;
    isLooking = true;
    const capturedAt = Date.now();
    createImageBitmap(video)
      .then((frame) => send({ type: 'frame', frame, capturedAt }, [frame]))
      .catch(() => {})
      .finally(() => {
        isLooking = false;
      });
  });
  return () => {
    stopTicks();
    video.srcObject = null;
  };
}
