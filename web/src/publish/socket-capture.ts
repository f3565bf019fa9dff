// Pictures or a recording of a source, sent over Socket.IO as long as it takes them, and a still now and then.
//
// Invariant: nothing is captured for a socket that cannot take it, and nothing is sent later than it was captured.

import type { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import { BitrateLadder, mayMakePicture } from './overload.ts';
import { type PictureCapture, startPictureCapture } from './picture-capture.ts';
import type { PictureSettings, VideoSettings } from './presets.ts';
import type { Problem } from './problem.ts';
import type { Source } from './source.ts';
import { startVideoCapture, type VideoCapture } from './video-capture.ts';

const POSTER_LIMITS = { width: 480, height: 270, everyMs: 5_000, quality: 0.6 } as const;
const DRAIN_CHECK_MS = 250;

export interface SocketCaptureHost {
  /** Where to send; undefined while nothing may be sent. */
  liveKey(): string | undefined;
  sent(bytes: number): void;
  dropped(): void;
  still(jpeg: ArrayBuffer): void;
  bitrate(change: 'lowered' | 'raised', kilobits: number): void;
  /** This browser records MP4 only. */
  mp4Only(): void;
  broken(problem: Problem): void;
}

export class SocketCapture {
  readonly #connection: Connection;
  readonly #host: SocketCaptureHost;
  #pictures: PictureCapture | undefined;
  #video: VideoCapture | undefined;
  #poster: PictureCapture | undefined;
  #ladder: BitrateLadder | undefined;
  #drainTimer: number | undefined;

  constructor(connection: Connection, host: SocketCaptureHost) {
    this.#connection = connection;
    this.#host = host;
  }

  /** What the recorder is asked for now. */
  get bitsPerSecond(): number | undefined {
    return this.#ladder?.bitsPerSecond;
  }

  /** Throws a `Problem` where the browser cannot. */
  start(source: Source, settings: PictureSettings | VideoSettings): void {
    this.stop();
    if (settings.kind === 'picture') this.#takePictures(source.video, settings);
    else {
      const ladder = new BitrateLadder(settings.bitsPerSecond, performance.now());
      this.#ladder = ladder;
      this.#record(source.stream, settings, ladder);
      this.#makePosters(source.video);
    }
  }

  stop(): void {
    clearInterval(this.#drainTimer);
    this.#pictures?.stop();
    this.#video?.stop();
    this.#poster?.stop();
    this.#pictures = undefined;
    this.#video = undefined;
    this.#poster = undefined;
    this.#ladder = undefined;
  }

  #takePictures(track: MediaStreamTrack, settings: PictureSettings): void {
    const { width, height, jpegQuality: quality, framesPerSecond } = settings;
    const limits = { width, height, everyMs: 1_000 / framesPerSecond, quality };
    this.#pictures = startPictureCapture(track, limits, {
      mayGo: () => this.#mayMakePicture(),
      picture: (bytes, capturedAt) => this.#send(bytes, capturedAt),
      dropped: () => this.#host.dropped(),
    });
  }

  #makePosters(track: MediaStreamTrack): void {
    try {
      this.#poster = startPictureCapture(track, POSTER_LIMITS, {
        mayGo: () => this.#mayMakePicture(),
        picture: (jpeg) => this.#host.still(jpeg),
        dropped: () => {},
      });
    } catch {
      // A stream without a still is a stream.
    }
  }

  #record(stream: MediaStream, settings: VideoSettings, ladder: BitrateLadder): void {
    this.#video = startVideoCapture(stream, settings, ladder.bitsPerSecond, {
      chunk: (bytes) => {
        this.#send(bytes);
        this.#relieve(stream, settings, ladder);
      },
      broken: (problem) => this.#host.broken(problem),
    });
    if (this.#video.mimeType.startsWith('video/mp4')) this.#host.mp4Only();
  }

  /** Begins another recorder when this one's bytes pile up, or when there has long been room for more. */
  #relieve(stream: MediaStream, settings: VideoSettings, ladder: BitrateLadder): void {
    const connection = this.#connection;
    const verdict = ladder.judge(connection.bytesUnderWay(), performance.now());
    if (verdict === 'go-on') return;
    this.#video?.stop();
    this.#video = undefined;
    if (verdict === 'less') this.#host.dropped();
    this.#host.bitrate(verdict === 'less' ? 'lowered' : 'raised', Math.round(ladder.bitsPerSecond / 1_000));
    clearInterval(this.#drainTimer);
    this.#drainTimer = window.setInterval(() => {
      if (!ladder.hasDrained(connection.bytesUnderWay())) {
        connection.probe();
        return;
      }
      clearInterval(this.#drainTimer);
      if (this.#host.liveKey() !== undefined) this.#record(stream, settings, ladder);
    }, DRAIN_CHECK_MS);
  }

  #mayMakePicture(): boolean {
    const connection = this.#connection;
    return connection.state === CONNECTION.online && mayMakePicture(connection.bytesUnsent(), connection.lateMs());
  }

  #send(data: ArrayBuffer, capturedAtLocal?: number): void {
    const streamKey = this.#host.liveKey();
    if (streamKey === undefined) return;
    const { clock } = this.#connection;
    const time = capturedAtLocal === undefined ? {} : { capturedAt: Math.round(clock.toServer(capturedAtLocal)) };
    if (this.#connection.sendMedia({ streamKey, data, ...time })) this.#host.sent(data.byteLength);
    else this.#host.dropped();
  }
}
