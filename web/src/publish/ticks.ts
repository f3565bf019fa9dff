// Calls back at an even pace, in a hidden tab too.

/** Starts ticking; returns how to stop. */
export function startTicks(everyMs: number, tick: () => void): () => void {
  const worker = new Worker(new URL('./ticks.worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = () => tick();
  worker.postMessage(everyMs);
  return () => worker.terminate();
}
