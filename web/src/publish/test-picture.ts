// A source that needs no camera: the drawn test picture as a video track.
//
// Where the browser has track generators the drawing lives in a worker and goes on in a hidden tab. Elsewhere it is drawn
// on the page, woken by a worker's timer, because a hidden page's own timers run once a second.

import TestPictureWorker from './test-picture.worker.ts?worker&inline';
import { drawTestPicture } from './test-picture-drawing.ts';
import { startTicks } from './ticks.ts';

interface TrackGenerator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

export interface DrawnSource {
  track: MediaStreamTrack;
  stop(): void;
}

export function startTestPicture(width: number, height: number, framesPerSecond: number): DrawnSource {
  const Generator = (globalThis as { MediaStreamTrackGenerator?: new (init: { kind: 'video' }) => TrackGenerator })
    .MediaStreamTrackGenerator;
  return Generator
    ? drawInWorker(new Generator({ kind: 'video' }), width, height, framesPerSecond)
    : drawOnPage(width, height, framesPerSecond);
}

function drawInWorker(track: TrackGenerator, width: number, height: number, framesPerSecond: number): DrawnSource {
  const worker = new TestPictureWorker();
  const { writable } = track;
  worker.postMessage({ writable, width, height, framesPerSecond }, [writable]);
  return {
    track,
    stop() {
      track.stop();
      worker.terminate();
    },
  };
}

function drawOnPage(width: number, height: number, framesPerSecond: number): DrawnSource {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false });
  const track = canvas.captureStream(framesPerSecond).getVideoTracks()[0];
  if (!context || !track) throw new Error('this browser cannot make a video track from a canvas');
  let number = 0;
  const stopTicks = startTicks(1_000 / framesPerSecond, () => {
    drawTestPicture(context, number, new Date());
    number += 1;
  });
  return {
    track,
    stop() {
      stopTicks();
      track.stop();
    },
  };
}
