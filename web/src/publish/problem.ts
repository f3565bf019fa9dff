// What can go wrong when a person wants to go live, as one word each; the languages have the sentences. Pure.

export const PROBLEMS = [
  'no-secure-context',
  'no-camera-api',
  'no-device',
  'permission-refused',
  'screen-refused',
  'device-busy',
  'device-cannot',
  'no-recorder',
  'no-picture-encoder',
  'source-ended',
  'taken-over',
  'already-live',
  'stream-gone',
  'key-missing',
  'key-wrong',
  'key-later',
  'refused',
  'unknown',
] as const;
export type ProblemKind = (typeof PROBLEMS)[number];

export class Problem extends Error {
  readonly kind: ProblemKind;
  /** Words of the browser or the server, for whoever wants to know more. */
  readonly detail: string;

  constructor(kind: ProblemKind, detail = '') {
    super(detail === '' ? kind : `${kind}: ${detail}`);
    this.kind = kind;
    this.detail = detail;
  }
}

/** Names the cause of what `getUserMedia` and `getDisplayMedia` throw. */
export function problemOf(error: unknown, source: 'camera' | 'screen' | 'test'): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof Error)) return new Problem('unknown', String(error));
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new Problem(source === 'screen' ? 'screen-refused' : 'permission-refused', error.message);
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return new Problem('no-device', error.message);
    case 'NotReadableError':
    case 'AbortError':
    case 'TrackStartError':
      return new Problem('device-busy', error.message);
    case 'OverconstrainedError':
      return new Problem('device-cannot', error.message);
    default:
      return new Problem('unknown', `${error.name}: ${error.message}`);
  }
}
