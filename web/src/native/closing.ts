// What a closed socket means: try again, knock again later, or give up, and why. Pure.

export type Refusal =
  /** The server speaks no such protocol, or is not there at all. */
  'no-door' | 'malformed' | 'token' | 'not-found' | 'replaced' | 'ended' | 'refused';

export type Closing =
  | { kind: 'again' }
  /** Not now: when the server said, or else at leisure. */
  | { kind: 'later'; reason: Refusal; afterMs: number; message: string }
  | { kind: 'over'; reason: Refusal; message: string };

/** The last `error` message before the close, if there was one. */
export interface LastError {
  code: string;
  message: string;
  retryAfterMs?: number;
}

const NOT_FOUND_AFTER_MS = 3_000;
const BUSY_AFTER_MS = 2_000;

export function closingOf(code: number, error: LastError | undefined): Closing {
  const message = error?.message ?? '';
  switch (code) {
    case 1000:
    case 4410:
      return { kind: 'over', reason: 'ended', message };
    case 4400:
      return { kind: 'over', reason: 'malformed', message };
    case 4401:
      return { kind: 'over', reason: 'token', message };
    case 4403:
      // For this tab the stream is over; the message says why.
      return { kind: 'over', reason: 'ended', message };
    case 4404:
      return { kind: 'later', reason: 'not-found', afterMs: error?.retryAfterMs ?? NOT_FOUND_AFTER_MS, message };
    case 4409:
      return { kind: 'over', reason: 'replaced', message };
    case 4429:
    case 4503:
      return { kind: 'later', reason: 'refused', afterMs: error?.retryAfterMs ?? BUSY_AFTER_MS, message };
    default:
      return { kind: 'again' };
  }
}
