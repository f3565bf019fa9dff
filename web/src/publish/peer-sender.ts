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
  readonly #link: PeerLink;
  readonly #video: RTCRtpTransceiver;
  readonly #audio: RTCRtpTransceiver;
  #wanted = 0;
  #bytes = 0;
  #askedAt = 0;

  constructor(iceServers: RTCIceServer[], media: PeerMedia, host: PeerLinkHost) {
    this.#link = new PeerLink(iceServers, host);
    // Both belong to one stream: pages show the stream of a track.
    const streams = [new MediaStream()];
    const { connection } = this.#link;
    this.#video = connection.addTransceiver(media.video ?? 'video', { direction: 'sendonly', streams });
    this.#audio = connection.addTransceiver(media.audio ?? 'audio', { direction: 'sendonly', streams });
  }

  async offer(media: PeerMedia): Promise<RTCSessionDescriptionInit> {
    // The description leaves before its candidates: StreamHub's page keeps none that come first.
    await this.send(media);
    return this.#link.offer();
  }

  async accept(answer: RTCSessionDescriptionInit): Promise<void> {
    await this.#link.accept(answer);
  }

  add(candidate: RTCIceCandidateInit): void {
    void this.#link.add(candidate);
  }

  /** Sends other tracks, or other bits, from now on. */
  async send({ video, audio, bitsPerSecond, framesPerSecond }: PeerMedia): Promise<void> {
    this.#wanted = bitsPerSecond;
    await Promise.all([this.#video.sender.replaceTrack(video), this.#audio.sender.replaceTrack(audio)]);
    await limit(this.#video.sender, { maxBitrate: bitsPerSecond, maxFramerate: framesPerSecond });
    await limit(this.#audio.sender, { maxBitrate: AUDIO_BITS_PER_SECOND });
  }

  get wantedBitsPerSecond(): number {
    return this.#wanted;
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

async function limit(sender: RTCRtpSender, limits: RTCRtpEncodingParameters): Promise<void> {
  const parameters = sender.getParameters();
  // Some browsers have none before the other end has answered; their own limits hold then.
  if (!parameters.encodings?.length) return;
  for (const encoding of parameters.encodings) Object.assign(encoding, limits);
  await sender.setParameters(parameters).catch(() => {});
}
