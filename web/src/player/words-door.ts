// A socket of the native door for words alone: what becomes of the stream, its tracks and the clock, while the media come
// another way.

import type { LinkState } from '../native/link.ts';
import { doorUrl, type Track } from '../native/messages.ts';
import { WatchDoor } from '../native/watch-door.ts';
import type { DoorHost } from './path.ts';

export interface WordsHost {
  tracks(tracks: readonly Track[]): void;
  link(state: LinkState): void;
}

/** Opens it. `host` is told what concerns the stream, `own` what concerns the path; `own.link` after `host.link`. */
export function openWordsDoor(server: string, streamKey: string, host: DoorHost, own: WordsHost): WatchDoor {
  const isForWords = true;
  const door = new WatchDoor(
    doorUrl(server, streamKey),
    {
      welcome: ({ paused, publisherPresent, viewers }) => {
        host.welcome(paused, publisherPresent);
        host.viewers(viewers);
      },
      tracks: (tracks) => own.tracks(tracks),
      frame: () => {},
      restarted: () => {},
      skipped: () => {},
      paused: (isPaused) => host.paused(isPaused),
      publisher: (isPresent) => host.publisher(isPresent),
      viewers: (count) => host.viewers(count),
      ended: () => host.ended(),
      link: (state) => {
        host.link(state);
        own.link(state);
      },
      refused: (reason, _message, isFinal) => host.refused(reason, isFinal),
    },
    isForWords,
  );
  door.open();
  return door;
}
