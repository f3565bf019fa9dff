// Calls back at an even pace, in a hidden tab too.

import TicksWorker from './ticks.worker.ts?worker&inline';

/** Starts ticking; returns how to stop. */
export function startTicks(everyMs: number, tick: () => void): () => void {
  const worker = new TicksWorker();
  worker.onmessage = () => tick();
  worker.postMessage(everyMs);
  return () => worker.terminate();
}
