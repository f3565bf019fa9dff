// What is said of one stream over Socket.IO, out of all that a connection hears.

import type { Connection } from '../wire/connection.ts';
import type { Heard, WireFrame, WireStream } from '../wire/events.ts';

export type Joined = Parameters<Heard['stream:joined']>[0];

export interface RoomHost {
  backlog(frames: WireFrame[]): void;
  frame(frame: WireFrame): void;
  joined(joined: Joined): void;
  started(stream: WireStream): void;
  ended(): void;
  /** It ended, and its publisher has started another one. */
  next(streamKey: string): void;
  paused(isPaused: boolean): void;
  publisher(isPresent: boolean): void;
  /** How many viewers the publisher wants to serve itself. */
  peersMax(max: number): void;
  skipped(frames: number): void;
  viewers(count: number): void;
  refused(message: string, retryAfterMs: number | undefined): void;
}

/** Listens; gives back how to stop. */
export function listenToRoom(connection: Connection, streamKey: string, host: RoomHost): (() => void)[] {
  const isOurs = (payload: { streamKey: string }) => payload.streamKey === streamKey;
  return [
    connection.on('stream:buffer', (buffer) => {
      if (isOurs(buffer)) host.backlog(buffer.frames);
    }),
    connection.on('stream:data', (frame) => {
      if (isOurs(frame)) host.frame(frame);
    }),
    connection.on('stream:joined', (joined) => {
      if (isOurs(joined.stream)) host.joined(joined);
    }),
    connection.on('stream:started', ({ stream }) => {
      if (isOurs(stream)) host.started(stream);
    }),
    connection.on('stream:ended', ({ stream }) => {
      if (isOurs(stream)) host.ended();
    }),
    connection.on('stream:next', (next) => {
      if (isOurs(next)) host.next(next.next);
    }),
    connection.on('stream:paused', (pause) => {
      if (isOurs(pause)) host.paused(pause.paused);
    }),
    connection.on('stream:publisher:lost', (lost) => {
      if (isOurs(lost)) host.publisher(false);
    }),
    connection.on('stream:publisher:back', (back) => {
      if (isOurs(back)) host.publisher(true);
    }),
    connection.on('stream:peers', (peers) => {
      if (isOurs(peers)) host.peersMax(peers.max);
    }),
    connection.on('stream:skipped', (skipped) => {
      if (isOurs(skipped)) host.skipped(skipped.frames);
    }),
    connection.on('viewer:count:update', ({ viewerCount }) => host.viewers(viewerCount)),
    connection.on('stream:error', ({ message, retryAfterMs }) => host.refused(message, retryAfterMs)),
  ];
}
