// Which sound is heard now, from the last that was said about it. Pure.

export interface Heard {
  /** The sound of this time… */
  timeMs: number;
  /** …was heard at this local time. */
  at: number;
}

/** What was said is believed for so long. */
const AGE_MAX_MS = 400;

/** The time of the sound that is heard now; undefined if nobody knows. */
export function heardNow(heard: Heard | undefined, now: number): number | undefined {
  if (!heard || Math.abs(now - heard.at) > AGE_MAX_MS) return undefined;
  return heard.timeMs + now - heard.at;
}
