// Shows a stream over WebRTC from the server (WHEP): one offer, one answer, and a video element.
//
// What is to be said about the stream comes over a socket of the native door that is held, as with MediaSource.

import { LINK } from '../native/link.ts';
import type { WatchDoor } from '../native/watch-door.ts';
import { admitted } from '../wire/streams.ts';
import { InboundStats } from './inbound-stats.ts';
import { areSoundOnly, type DoorHost, type Path, type PathFailure, type PathStats, setVideoSound } from './path.ts';
import { TrackVideo } from './track-video.ts';
import { openWordsDoor } from './words-door.ts';

const STATS_EVERY_MS = 500;
/** A session that shows nothing for so long is given up. */
const SILENT_MAX_MS = 5_000;
/** Before a session that broke is begun again, and how often without a picture in between. */
const AGAIN_MS = 700;
const VAIN_MAX = 3;
const RETRY_LATER_MS = 3_000;

export class WhepPath implements Path {
  readonly name = 'whep';
  isSoundOnly = false;
  readonly #url: string;
  readonly #host: DoorHost;
  readonly #video: TrackVideo;
  readonly #door: WatchDoor;
  readonly #timer: number;
  #numbers = new InboundStats();
  #skippedBefore = 0;
  #connection: RTCPeerConnection | undefined;
  #session: string | undefined;
  #againTimer: number | undefined;
  #shownAt = 0;
  #vain = 0;
  #hasTracks = false;
  /** The server has said that these tracks cannot come so. */
  #isRefused = false;
  #isLinked = false;
  #isResting = false;
  #isClosed = false;

  constructor(server: string, streamKey: string, host: DoorHost) {
    this.#url = admitted(new URL(`/whep/${encodeURIComponent(streamKey)}`, server), streamKey).href;
    this.#host = host;
    this.#video = new TrackVideo({
      shown: (delayMs) => {
        // What was left goes on until the server has heard of it.
        if (!this.#connection) return;
        this.#vain = 0;
        this.#shownAt = performance.now();
        host.shown(delayMs);
      },
      sized: (width, height) => host.sized(width, height),
      soundChanged: () => host.soundChanged(),
    });
    this.#timer = window.setInterval(() => void this.#look(), STATS_EVERY_MS);
    this.#door = openWordsDoor(server, streamKey, host, {
      tracks: (tracks) => {
        this.#hasTracks = tracks.length > 0;
        this.isSoundOnly = areSoundOnly(tracks);
        host.tracksKnown();
        // A codec of before is not the codec of now.
        this.#isRefused = false;
        void this.#begin();
      },
      link: (state) => {
        this.#isLinked = state === LINK.open;
        if (this.#isLinked && this.#hasTracks && !this.#connection) void this.#begin();
      },
    });
  }

  get element(): HTMLVideoElement {
    return this.#video.element;
  }

  get hasSound(): boolean {
    return this.#video.hasSound;
  }

  setSound(isMuted: boolean, volume: number): Promise<boolean> {
    return setVideoSound(this.element, isMuted, volume);
  }

  setVisible(visible: boolean): void {
    // Sound goes on unseen; a silent player rests, and comes back with a new session.
    this.#isResting = !visible && this.element.muted && document.pictureInPictureElement !== this.element;
    if (this.#isResting) this.#leave();
    else if (visible && !this.#connection) void this.#begin();
    if (visible) void this.element.play().catch(() => {});
  }

  stats(): PathStats {
    const { skipped, bufferMs } = this.#numbers.now;
    return { skipped: this.#skippedBefore + skipped, bufferMs };
  }

  pictureInPictureVideo(): HTMLVideoElement {
    return this.element;
  }

  close(hasEnded?: boolean): void {
    this.#isClosed = true;
    // The session has ended with the stream: there is none to be deleted.
    if (hasEnded) this.#session = undefined;
    clearInterval(this.#timer);
    this.#door.close();
    this.#leave();
    this.#video.close();
  }

  async #begin(): Promise<void> {
    this.#leave();
    if (this.#isClosed || this.#isResting || !this.#hasTracks || this.#isRefused) return;
    const connection = new RTCPeerConnection();
    this.#connection = connection;
    this.#shownAt = performance.now();
    connection.ontrack = ({ track, receiver }) => this.#video.add(track, receiver);
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'failed') this.#broken();
    };
    connection.addTransceiver('video', { direction: 'recvonly' });
    connection.addTransceiver('audio', { direction: 'recvonly' });
    try {
      await connection.setLocalDescription();
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp' },
        body: connection.localDescription?.sdp ?? '',
      });
      const location = response.headers.get('location');
      const session = response.ok && location ? new URL(location, this.#url).href : undefined;
      if (this.#connection !== connection) {
        void endSession(session);
        return;
      }
      this.#session = session;
      const text = await response.text();
      if (response.ok) await connection.setRemoteDescription({ type: 'answer', sdp: text });
      else this.#refused(response.status, text);
    } catch {
      // The server is away, or the answer is none.
      if (this.#connection === connection) this.#broken();
    }
  }

  #refused(status: number, sentence: string): void {
    if (status === 406) {
      this.#isRefused = true;
      this.#leave();
      this.#host.failed({ kind: 'codec', codec: sentence });
    } else if (status === 404 || status === 405 || status === 501) this.#fail({ kind: 'no-webrtc' });
    else if (status === 429 || status === 503) {
      this.#leave();
      this.#againTimer = window.setTimeout(() => void this.#begin(), RETRY_LATER_MS);
    } else this.#broken();
  }

  async #look(): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    const more = await this.#numbers.ask(connection).catch(() => undefined);
    if (more && this.#connection === connection) {
      this.#host.received(more.bytes, more.frames);
      if (this.isSoundOnly && more.bytes > 0) this.#host.sounding();
    }
    const isSilent = performance.now() - this.#shownAt > SILENT_MAX_MS;
    // Nothing ever came through: UDP is closed on the way.
    if (isSilent && connection.connectionState !== 'connected' && this.#connection === connection) this.#broken();
  }

  /** Begins another session, a few times. */
  #broken(): void {
    if (this.#isClosed || !this.#connection) return;
    this.#leave();
    this.#host.stalled();
    // Without a link there is no server to ask.
    if (!this.#isLinked) return;
    this.#vain += 1;
    if (this.#vain > VAIN_MAX) this.#fail({ kind: 'no-webrtc' });
    else this.#againTimer = window.setTimeout(() => void this.#begin(), AGAIN_MS);
  }

  #leave(): void {
    clearTimeout(this.#againTimer);
    const connection = this.#connection;
    this.#connection = undefined;
    if (!connection) return;
    connection.ontrack = null;
    connection.onconnectionstatechange = null;
    // In this order: a session that hears of the close is not there any more to be deleted.
    void endSession(this.#session).finally(() => connection.close());
    this.#session = undefined;
    this.#skippedBefore += this.#numbers.now.skipped;
    this.#numbers = new InboundStats();
  }

  #fail(failure: PathFailure): void {
    if (this.#isClosed) return;
    this.close();
    this.#host.failed(failure);
  }
}

/** Says goodbye; a server that is away notices by itself. */
async function endSession(url: string | undefined): Promise<void> {
  if (url) await fetch(url, { method: 'DELETE', keepalive: true }).catch(() => {});
}
