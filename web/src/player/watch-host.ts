// What a watch is told at its beginning, and what its owner hears.

import type { Delivery } from '../peer/delivery.ts';
import type { Connection } from '../wire/connection.ts';
import type { WireStream } from '../wire/events.ts';
import type { Painter } from './frames-path.ts';
import type { Path, PathFailure } from './path.ts';
import type { PeerState } from './peer-watch.ts';
import type { PlayerState } from './player-state.ts';
import type { Route, Transport } from './transport.ts';
import type { WatchStats } from './watch-numbers.ts';

export interface WatchOptions {
  server: string;
  streamKey: string;
  /** How it comes through the server. */
  transport: Transport;
  /** Whether it does. */
  delivery: Delivery;
  /** Who draws decoded frames. */
  painter?: Painter;
  /** The page's own, if it has one. */
  connection?: Connection | undefined;
}

/** What the owner hears. */
export interface WatchHost {
  state(state: PlayerState): void;
  stats(stats: WatchStats): void;
  stream(stream: WireStream, streamerUsername: string | undefined): void;
  viewers(count: number): void;
  /** Show this path's element in place of the one before; `behind` stays on the page, unseen. */
  path(path: Path, behind: Path | undefined): void;
  /** Put this path's element behind the one that is shown. */
  behind(path: Path): void;
  /** What became of the way from peer to peer. */
  peer(state: PeerState): void;
  sized(width: number, height: number): void;
  /** Another way is taken, because this one failed. */
  fellBack(to: Route, failure: PathFailure): void;
  failed(failure: PathFailure): void;
  soundChanged(): void;
  /** The stream ended and its publisher has started another one. */
  next(streamKey: string): void;
}
