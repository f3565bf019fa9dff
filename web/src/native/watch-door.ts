// Watching over the native door: joins, comes back with what it has, and says which frames a decoder may have.
//
// Invariant: after anything was left out of the video track, its next frame that is handed on is a keyframe.

import type { Refusal } from './closing.ts';
import { type Frame, readFrame } from './frame.ts';
import { Link, type LinkState } from './link.ts';
import { type FromServer, type FromViewer, type Track, WATCH_PROTOCOL } from './messages.ts';

/** Between two wishes for a keyframe of one viewer. */
const KEYFRAME_WISH_GAP_MS = 500;

export type Welcome = Extract<FromServer, { type: 'welcome' }>;

export interface WatchDoorHost {
  welcome(welcome: Welcome): void;
  tracks(tracks: readonly Track[]): void;
  frame(frame: Frame, arrival: number): void;
  /** What comes next begins anew: after a join, a skip, a hold. */
  restarted(): void;
  skipped(frames: number, receiving: string): void;
  paused(paused: boolean): void;
  publisher(present: boolean): void;
  viewers(count: number): void;
  ended(): void;
  link(state: LinkState): void;
  refused(reason: Refusal, message: string, isFinal: boolean): void;
}

export class WatchDoor {
  readonly #host: WatchDoorHost;
  readonly #link: Link;
  readonly #isForWords: boolean;
  #epoch: string | undefined;
  #last: number | undefined;
  /** Numbers of video tracks whose next frame must be a keyframe. */
  #starving = new Set<number>();
  #tracks = new Map<number, string>();
  #video = new Set<number>();
  #isHeld = false;
  #wishedAt = Number.NEGATIVE_INFINITY;
  /** A resumed connection goes on with this sequence, or else anew. */
  #expected: number | undefined;

  /** `isForWords`: media come another way; it is held as soon as the tracks are known. */
  constructor(url: string, host: WatchDoorHost, isForWords = false) {
    this.#host = host;
    this.#isForWords = isForWords;
    this.#link = new Link(url, WATCH_PROTOCOL, {
      opened: () => this.#opened(),
      text: (message) => this.#text(message),
      binary: (message, arrival) => this.#binary(message, arrival),
      state: (state) => host.link(state),
      refused: (closing) => host.refused(closing.reason, closing.message, closing.kind === 'over'),
    });
  }

  open(): void {
    this.#link.open();
  }

  close(): void {
    this.#link.close();
  }

  /** Now in the server's clock, ms since 1970. */
  serverNow(): number {
    return this.#link.serverNow();
  }

  get roundTripMs(): number | undefined {
    return this.#link.clock.roundTrip;
  }

  /** No media until `resume`: nobody is looking. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#say({ type: 'hold' });
  }

  resume(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#restart();
    this.#say({ type: 'resume' });
  }

  /** The decoder of this track lost its way: nothing until a keyframe, which is asked for. */
  lost(track: number): void {
    this.#starving.add(track);
    this.#wishKeyframe();
  }

  #opened(): void {
    const resume =
      this.#epoch !== undefined && this.#last !== undefined && !this.#isHeld
        ? { epoch: this.#epoch, sequence: this.#last }
        : undefined;
    this.#expected = resume ? resume.sequence + 1 : undefined;
    const media = this.#isForWords ? { media: false as const } : {};
    this.#say({ type: 'watch', ...media, ...(resume ? { resume } : {}) });
    if (this.#isHeld) this.#say({ type: 'hold' });
  }

  #text(message: FromServer): void {
    const host = this.#host;
    switch (message.type) {
      case 'welcome':
        if (message.epoch !== this.#epoch) this.#expected = undefined;
        this.#epoch = message.epoch;
        host.welcome(message);
        if (this.#expected === undefined) this.#restart();
        break;
      case 'tracks':
        this.#setTracks(message.tracks);
        host.tracks(message.tracks);
        if (this.#isForWords) this.#say({ type: 'hold' });
        break;
      case 'skipped':
        this.#restart();
        host.skipped(message.frames, message.receiving);
        break;
      case 'paused':
        host.paused(message.paused);
        break;
      case 'publisher':
        host.publisher(message.present);
        break;
      case 'viewers':
        host.viewers(message.count);
        break;
      case 'ended':
        host.ended();
        break;
    }
  }

  /** A decoder that must be configured anew begins with a keyframe; one whose track is as before goes on. */
  #setTracks(tracks: readonly Track[]): void {
    const before = this.#tracks;
    this.#tracks = new Map(tracks.map((track) => [track.track, JSON.stringify(track)]));
    this.#video = new Set(tracks.filter(({ kind }) => kind === 'video').map(({ track }) => track));
    for (const track of this.#video) if (before.get(track) !== this.#tracks.get(track)) this.#starving.add(track);
  }

  #binary(message: ArrayBuffer, arrival: number): void {
    const frame = this.#isForWords ? undefined : readFrame(message);
    if (!frame) return;
    if (this.#expected !== undefined) {
      if (frame.sequence !== this.#expected) this.#restart();
      this.#expected = undefined;
    }
    this.#last = frame.sequence;
    if (this.#isHeld) return;
    if (this.#video.has(frame.track)) {
      if (frame.isAfterGap) this.#starving.add(frame.track);
      if (frame.isKeyframe) this.#starving.delete(frame.track);
      if (this.#starving.has(frame.track)) {
        this.#wishKeyframe();
        return;
      }
    }
    this.#host.frame(frame, arrival);
  }

  #restart(): void {
    for (const track of this.#video) this.#starving.add(track);
    this.#host.restarted();
  }

  #wishKeyframe(): void {
    const now = performance.now();
    if (now - this.#wishedAt < KEYFRAME_WISH_GAP_MS) return;
    this.#wishedAt = now;
    this.#say({ type: 'keyframe' });
  }

  #say(message: FromViewer): void {
    this.#link.send(message);
  }
}
