// Makes JPEG pictures of video frames, in a worker so that a hidden or busy page does not slow it.
//
// Before each picture the page is asked whether it may go: only the page knows what still waits in the socket. A refused
// picture is never encoded. Between question and answer the newest frame replaces the older one.

import type { FromPictureWorker, ToPictureWorker } from './picture-messages.ts';

type Frame = VideoFrame | ImageBitmap;
interface TrackProcessor {
  readonly readable: ReadableStream<VideoFrame>;
}
type TrackProcessorConstructor = new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => TrackProcessor;

/** A frame this much too early still counts as due: cameras are not exact. */
const EARLY_MS = 8;

let limits = { width: 640, height: 480, everyMs: 100, quality: 0.7 };
let nextDue = 0;
let held: { frame: Frame; capturedAt: number } | undefined;
let isAsking = false;
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext('2d', { alpha: false });

self.onmessage = ({ data }: MessageEvent<ToPictureWorker>) => {
  switch (data.type) {
    case 'start':
      limits = data.limits;
      if (data.readable) void read(data.readable);
      else if (data.track) readTrack(data.track);
      break;
    case 'frame':
      offer(data.frame, data.capturedAt);
      break;
    case 'answer':
      answered(data.go);
      break;
  }
};

function tell(message: FromPictureWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

function readTrack(track: MediaStreamTrack): void {
  const Processor = (self as { MediaStreamTrackProcessor?: TrackProcessorConstructor }).MediaStreamTrackProcessor;
  if (Processor) void read(new Processor({ track, maxBufferSize: 1 }).readable);
  else tell({ type: 'cannot-read' });
}

async function read(readable: ReadableStream<VideoFrame>): Promise<void> {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    offer(value, performance.timeOrigin + performance.now());
  }
}

function offer(frame: Frame, capturedAt: number): void {
  const now = performance.now();
  if (!isAsking && now < nextDue - EARLY_MS) {
    frame.close();
    return;
  }
  held?.frame.close();
  held = { frame, capturedAt };
  if (isAsking) return;
  isAsking = true;
  nextDue = Math.max(nextDue + limits.everyMs, now);
  tell({ type: 'ask' });
}

function answered(go: boolean): void {
  const taken = held;
  held = undefined;
  if (!taken) {
    isAsking = false;
    return;
  }
  if (!go) {
    taken.frame.close();
    isAsking = false;
    return;
  }
  void encode(taken.frame, taken.capturedAt).finally(() => {
    isAsking = false;
  });
}

async function encode(frame: Frame, capturedAt: number): Promise<void> {
  const [sourceWidth, sourceHeight] =
    'displayWidth' in frame ? [frame.displayWidth, frame.displayHeight] : [frame.width, frame.height];
  const scale = Math.min(1, limits.width / sourceWidth, limits.height / sourceHeight);
  const width = Math.max(2, Math.round(sourceWidth * scale));
  const height = Math.max(2, Math.round(sourceHeight * scale));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context?.drawImage(frame, 0, 0, width, height);
  frame.close();
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: limits.quality });
  const bytes = await blob.arrayBuffer();
  tell({ type: 'picture', bytes, capturedAt }, [bytes]);
}
