// Waits for the tracks of a stream that is watched over the native door, and finds out why there are none.
//
// Pictures in a format of their own are passed on over Socket.IO alone: then the native door stays silent.

import { fetchStreams } from '../wire/streams.ts';

/** A stream that has no tracks after this is looked up: perhaps it has no frames at all. */
const TRACKS_MAX_MS = 3_000;

export interface TracksHost {
  /** Something is published, but no frames. */
  noFrames(): void;
  /** Nothing has come yet. */
  nothing(): void;
}

export class TracksAwaited {
  readonly #server: string;
  readonly #streamKey: string;
  readonly #host: TracksHost;
  #timer: number | undefined;

  constructor(server: string, streamKey: string, host: TracksHost) {
    this.#server = server;
    this.#streamKey = streamKey;
    this.#host = host;
  }

  expect(): void {
    this.stop();
    this.#timer = window.setTimeout(async () => {
      const timer = this.#timer;
      const streams = await fetchStreams(AbortSignal.timeout(TRACKS_MAX_MS), this.#server).catch(() => []);
      if (timer !== this.#timer) return;
      const kind = streams.find(({ streamKey }) => streamKey === this.#streamKey)?.kind;
      if (kind) {
        this.#host.noFrames();
        return;
      }
      this.#host.nothing();
      this.expect();
    }, TRACKS_MAX_MS);
  }

  /** They are known, or of no interest any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
