// Shows what the publisher's page sends straight to this one: answers its offer, and is a video element.

import { PeerLink } from '../peer/peer-link.ts';
import { InboundStats } from './inbound-stats.ts';
import { type Path, type PathHost, type PathStats, setVideoSound } from './path.ts';
import { TrackVideo } from './track-video.ts';

const STATS_EVERY_MS = 1_000;

export interface PeerPathHost extends Pick<PathHost, 'shown' | 'sized' | 'soundChanged'> {
  received(bytes: number, frames: number): void;
  candidate(candidate: RTCIceCandidateInit): void;
  answer(answer: RTCSessionDescriptionInit): void;
  /** It cannot be had, or is over. */
  broken(): void;
}

export class PeerPath implements Path {
  readonly name = 'p2p';
  readonly #video: TrackVideo;
  readonly #link: PeerLink;
  readonly #numbers = new InboundStats();
  readonly #timer: number;

  constructor(iceServers: RTCIceServer[], offer: RTCSessionDescriptionInit, host: PeerPathHost) {
    this.#video = new TrackVideo(host);
    this.#link = new PeerLink(iceServers, {
      candidate: (candidate) => host.candidate(candidate),
      state: (state) => {
        if (state === 'failed' || state === 'closed') host.broken();
      },
    });
    const { connection } = this.#link;
    connection.ontrack = ({ track, receiver }) => this.#video.add(track, receiver);
    this.#timer = window.setInterval(async () => {
      const { bytes, frames } = await this.#numbers.ask(connection).catch(() => ({ bytes: 0, frames: 0 }));
      host.received(bytes, frames);
    }, STATS_EVERY_MS);
    this.#link.answer(offer).then(
      (answer) => host.answer(answer),
      () => host.broken(),
    );
  }

  get element(): HTMLVideoElement {
    return this.#video.element;
  }

  get hasSound(): boolean {
    return this.#video.hasSound;
  }

  /** A candidate of the publisher's. */
  add(candidate: RTCIceCandidateInit): void {
    void this.#link.add(candidate);
  }

  setSound(isMuted: boolean, volume: number): Promise<boolean> {
    return setVideoSound(this.element, isMuted, volume);
  }

  setVisible(visible: boolean): void {
    if (visible) void this.element.play().catch(() => {});
  }

  stats(): PathStats {
    const { skipped, bufferMs } = this.#numbers.now;
    return { skipped, bufferMs };
  }

  pictureInPictureVideo(): HTMLVideoElement {
    return this.element;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#link.close();
    this.#video.close();
  }
}
