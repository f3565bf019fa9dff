// A video element that shows the tracks of a WebRTC connection, and counts what it shows.

import type { PathHost } from './path.ts';

export class TrackVideo {
  readonly element = document.createElement('video');
  readonly #stream = new MediaStream();
  #audio: MediaStreamTrack | undefined;
  #isClosed = false;

  constructor(host: Pick<PathHost, 'shown' | 'sized' | 'soundChanged'>) {
    const video = this.element;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.srcObject = this.#stream;
    video.addEventListener('resize', () => host.sized(video.videoWidth, video.videoHeight));
    this.#soundChanged = () => host.soundChanged();
    this.#count((delayMs) => host.shown(delayMs));
  }

  readonly #soundChanged: () => void;

  /** Whether there is anything to hear: an audio track is agreed on even where none is sent. */
  get hasSound(): boolean {
    return this.#audio?.muted === false;
  }

  add(track: MediaStreamTrack, receiver: RTCRtpReceiver): void {
    // As soon as it can be: what must be waited for the browser knows best.
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    for (const before of this.#stream.getTracks()) if (before.kind === track.kind) this.#stream.removeTrack(before);
    this.#stream.addTrack(track);
    if (track.kind === 'audio') {
      this.#audio = track;
      track.onmute = track.onunmute = this.#soundChanged;
    }
    void this.element.play().catch(() => {});
  }

  close(): void {
    this.#isClosed = true;
    if (this.#audio) this.#audio.onmute = this.#audio.onunmute = null;
    this.element.srcObject = null;
  }

  #count(shown: (delayMs: number | undefined) => void): void {
    const video = this.element;
    if (!('requestVideoFrameCallback' in video)) {
      (video as HTMLVideoElement).addEventListener('timeupdate', () => shown(undefined));
      return;
    }
    const next = (now: number, { captureTime }: VideoFrameCallbackMetadata) => {
      if (this.#isClosed) return;
      // Known where both ends share a clock and the sender's reports have come.
      shown(captureTime === undefined ? undefined : now - captureTime);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }
}
