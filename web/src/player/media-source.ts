// The browser's MediaSource, whichever it has.

import type { Range } from './live-edge.ts';

/** The plain one, or the managed one that is all iPhones have. */
export function mediaSourceClass(): typeof MediaSource | undefined {
  const scope = globalThis as { MediaSource?: typeof MediaSource; ManagedMediaSource?: typeof MediaSource };
  return scope.MediaSource ?? scope.ManagedMediaSource;
}

export function ranges(buffered: TimeRanges): Range[] {
  return Array.from({ length: buffered.length }, (_, i) => ({ start: buffered.start(i), end: buffered.end(i) }));
}

/** A managed one says when it is to be given nothing, to spare the battery; what comes meanwhile waits. */
export function wantsMedia(mediaSource: MediaSource): boolean {
  return (mediaSource as MediaSource & { streaming?: boolean }).streaming !== false;
}
