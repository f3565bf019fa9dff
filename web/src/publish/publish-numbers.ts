// The numbers of a stream that is published, over all the ways it was sent.

import { RateMeter } from '../wire/rate-meter.ts';
import type { FramesStats } from './frames/messages.ts';
import type { PeerViewer } from './peer-audience.ts';
import type { Settings } from './presets.ts';

export interface PublishStats {
  viewers: number;
  /** To the server, however many watch that way. */
  kilobitsPerSecond: number;
  /** Those who are served straight from this page, and what goes to each. */
  peers: readonly PeerViewer[];
  way: Settings['kind'];
  /** What the pictures are encoded as, where this page does it. */
  codec: string | undefined;
  /** Pictures or chunks. */
  sent: number;
  dropped: number;
  liveSince: number | undefined;
  /** What the encoder is asked for now; undefined for pictures. */
  bitsPerSecond: number | undefined;
}

export class PublishNumbers {
  viewers = 0;
  liveSince: number | undefined;
  readonly #uplink = new RateMeter();
  #framesBefore = { sent: 0, dropped: 0 };
  #sent = 0;
  #dropped = 0;

  sent(bytes: number): void {
    this.#sent += 1;
    this.#uplink.add(performance.now(), bytes);
  }

  dropped(): void {
    this.#dropped += 1;
  }

  /** What a capture of frames tells of itself since it began. */
  frames({ sent, dropped, bytes }: FramesStats): void {
    this.#sent += sent - this.#framesBefore.sent;
    this.#dropped += dropped - this.#framesBefore.dropped;
    this.#framesBefore = { sent, dropped };
    this.#uplink.add(performance.now(), bytes);
  }

  /** The next capture of frames counts from nothing. */
  framesOver(): void {
    this.#framesBefore = { sent: 0, dropped: 0 };
  }

  stats(how: Pick<PublishStats, 'way' | 'codec' | 'bitsPerSecond' | 'peers'>): PublishStats {
    return {
      viewers: this.viewers,
      kilobitsPerSecond: (this.#uplink.perSecond(performance.now()) * 8) / 1_000,
      sent: this.#sent,
      dropped: this.#dropped,
      liveSince: this.liveSince,
      ...how,
    };
  }
}
