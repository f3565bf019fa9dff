// One word for how well a stream is received. Pure.

export type Quality = 'good' | 'fair' | 'poor' | 'unknown';

export interface Reception {
  /** Pictures shown per second, and pictures that came (where they can be counted). */
  shownPerSecond: number;
  arrivedPerSecond: number | undefined;
  /** Stand-stills and skips in the last while. */
  recentStalls: number;
  delayMs: number | undefined;
  bufferMs: number;
}

/** Later than the buffer explains by this much: the network or the machine does not keep up. */
const LATE_FAIR_MS = 1_000;
const LATE_POOR_MS = 3_000;

export function quality(r: Reception): Quality {
  if (r.shownPerSecond === 0) return 'unknown';
  const share = r.arrivedPerSecond ? r.shownPerSecond / r.arrivedPerSecond : 1;
  const late = (r.delayMs ?? 0) - r.bufferMs;
  if (r.recentStalls >= 3 || share < 0.6 || late > LATE_POOR_MS) return 'poor';
  if (r.recentStalls >= 1 || share < 0.88 || late > LATE_FAIR_MS) return 'fair';
  return 'good';
}
