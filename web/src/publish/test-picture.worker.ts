// Draws the test picture in a worker, where timers run at full speed even when the page is hidden, and writes the frames
// into a track generator's stream.

import { drawTestPicture } from './test-picture-drawing.ts';

interface Start {
  writable: WritableStream<VideoFrame>;
  width: number;
  height: number;
  framesPerSecond: number;
}

self.onmessage = ({ data }: MessageEvent<Start>) => {
  const canvas = new OffscreenCanvas(data.width, data.height);
  const context = canvas.getContext('2d', { alpha: false });
  const writer = data.writable.getWriter();
  if (!context) return;
  let number = 0;
  const timer = setInterval(() => {
    drawTestPicture(context, number, new Date());
    number += 1;
    // A consumer that is busy gets the next picture, not this one late.
    if ((writer.desiredSize ?? 0) <= 0) return;
    const frame = new VideoFrame(canvas, { timestamp: Math.round(performance.now() * 1_000) });
    writer.write(frame).catch(() => {
      frame.close();
      clearInterval(timer);
    });
  }, 1_000 / data.framesPerSecond);
  writer.closed.catch(() => {}).finally(() => clearInterval(timer));
};
