// One viewer that is served from page to page: the offer, and the tracks, which may change while it lasts.

import { PeerLink, type PeerLinkHost } from '../peer/peer-link.ts';

const AUDIO_BITS_PER_SECOND = 96_000;

/** What is sent to every viewer. Without a track nothing of its kind goes out for now. */
export interface PeerMedia {
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
  bitsPerSecond: number;
  framesPerSecond: number;
}

export interface SentStats {
  bitsPerSecond: number;
  isLimited: boolean;
}

export class PeerSender {
  /** What goes out at most. */
  wantedBitsPerSecond: number;
  readonly #link: PeerLink;
  readonly #video: RTCRtpTransceiver;
  readonly #audio: RTCRtpTransceiver;
  #bytes = 0;
  #askedAt = 0;

  constructor(iceServers: RTCIceServer[], media: PeerMedia, host: PeerLinkHost) {
    this.#link = new PeerLink(iceServers, host);
    // Both belong to one stream: pages show the stream of a track.
    const streams = [new MediaStream()];
    const { connection } = this.#link;
    this.wantedBitsPerSecond = media.bitsPerSecond;
    // Its limits from the beginning: to set them later takes the threads of all connections once more each.
    const limited = (limits: RTCRtpEncodingParameters): RTCRtpTransceiverInit => {
      return { direction: 'sendonly', streams, sendEncodings: [limits] };
    };
    this.#video = connection.addTransceiver(media.video ?? 'video', limited(videoLimits(media)));
    this.#audio = connection.addTransceiver(media.audio ?? 'audio', limited({ maxBitrate: AUDIO_BITS_PER_SECOND }));
  }

  /** The description leaves before its candidates: StreamHub's page keeps none that come first. */
  offer(): Promise<RTCSessionDescriptionInit> {
    return this.#link.offer();
  }

  async accept(answer: RTCSessionDescriptionInit): Promise<void> {
    await this.#link.accept(answer);
  }

  add(candidate: RTCIceCandidateInit): void {
    void this.#link.add(candidate);
  }

  /** Sends other tracks, or other bits, from now on. */
  async send(media: PeerMedia): Promise<void> {
    this.wantedBitsPerSecond = media.bitsPerSecond;
    const { sender } = this.#video;
    await this.#audio.sender.replaceTrack(media.audio);
    await sender.replaceTrack(media.video);
    const parameters = sender.getParameters();
    // Some browsers have none before the other end has answered; their own limits hold then.
    if (!parameters.encodings?.[0]) return;
    Object.assign(parameters.encodings[0], videoLimits(media));
    await sender.setParameters(parameters);
  }

  /** What goes out since the last time this was asked. */
  async stats(): Promise<SentStats> {
    let bytes = 0;
    let isLimited = false;
    for (const report of (await this.#link.connection.getStats()).values()) {
      if (report.type !== 'outbound-rtp') continue;
      bytes += (report.bytesSent ?? 0) + (report.headerBytesSent ?? 0);
      isLimited ||= report.qualityLimitationReason === 'bandwidth';
    }
    const now = performance.now();
    const seconds = (now - this.#askedAt) / 1_000;
    const bitsPerSecond = this.#askedAt === 0 ? 0 : (Math.max(0, bytes - this.#bytes) * 8) / seconds;
    this.#bytes = bytes;
    this.#askedAt = now;
    return { bitsPerSecond, isLimited };
  }

  close(): void {
    this.#link.close();
  }
}

function videoLimits({ bitsPerSecond, framesPerSecond }: PeerMedia): RTCRtpEncodingParameters {
  return { maxBitrate: bitsPerSecond, maxFramerate: framesPerSecond };
}
