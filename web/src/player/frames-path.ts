// Shows a stream over the native door: a worker receives, decodes (WebCodecs, or whole pictures) and draws.

import type { FromPlayerWorker, SoundClock, ToPlayerWorker } from './frames/messages.ts';
import PlayerWorker from './frames/player.worker.ts?worker&inline';
import { SoundOutput } from './frames/sound-output.ts';
import type { DoorHost, Path, PathStats } from './path.ts';

/** Whether it is worth to try: which codecs there are is found out by the worker. */
export function mayPlayFrames(): boolean {
  return typeof OffscreenCanvas !== 'undefined' && 'transferControlToOffscreen' in HTMLCanvasElement.prototype;
}

export class FramesPath implements Path {
  readonly name = 'webcodecs';
  readonly element = document.createElement('canvas');
  readonly #worker = new PlayerWorker();
  readonly #host: DoorHost;
  #sound: SoundOutput | undefined;
  #stats: PathStats = { skipped: 0, bufferMs: 0 };
  #hasSound = false;
  #isVisible = !document.hidden;
  #window: HTMLVideoElement | undefined;

  constructor(url: string, host: DoorHost) {
    this.#host = host;
    this.#worker.onmessage = ({ data }: MessageEvent<FromPlayerWorker>) => this.#heard(data);
    this.#worker.onerror = () => host.failed({ kind: 'broken' });
    const canvas = this.element.transferControlToOffscreen();
    this.#send({ type: 'start', url, canvas, isVisible: this.#isVisible }, [canvas]);
  }

  get hasSound(): boolean {
    return this.#hasSound;
  }

  async setSound(isMuted: boolean, volume: number): Promise<boolean> {
    if (isMuted || !this.#hasSound) {
      this.#sound?.stop();
      return true;
    }
    this.#sound ??= new SoundOutput(
      (port) => this.#send({ type: 'sound', port }, port ? [port] : []),
      (clock: SoundClock) => this.#send({ type: 'sound-clock', clock }),
    );
    this.#sound.volume = volume;
    return this.#sound.start();
  }

  setVisible(visible: boolean): void {
    this.#isVisible = visible;
    this.#tellVisible();
  }

  stats(): PathStats {
    return this.#stats;
  }

  pictureInPictureVideo(): HTMLVideoElement {
    if (!this.#window) {
      const video = document.createElement('video');
      video.muted = true;
      video.playsInline = true;
      video.srcObject = this.element.captureStream();
      for (const event of ['enterpictureinpicture', 'leavepictureinpicture']) {
        video.addEventListener(event, () => this.#tellVisible());
      }
      void video.play().catch(() => {});
      this.#window = video;
    }
    return this.#window;
  }

  close(): void {
    this.#worker.onmessage = null;
    this.#send({ type: 'close' });
    this.#sound?.close();
    if (this.#window) this.#window.srcObject = null;
  }

  /** A picture-in-picture window counts as being seen, and so does being heard. */
  #tellVisible(): void {
    const isInWindow = this.#window !== undefined && document.pictureInPictureElement === this.#window;
    this.#send({ type: 'visible', isVisible: this.#isVisible || isInWindow });
  }

  #heard(message: FromPlayerWorker): void {
    const host = this.#host;
    switch (message.type) {
      case 'shown':
        host.shown(message.delayMs);
        break;
      case 'stats':
        this.#stats = { skipped: message.stats.skipped, bufferMs: Math.round(message.stats.bufferMs) };
        host.received(message.stats.bytes, message.stats.arrived);
        break;
      case 'sized':
        host.sized(message.width, message.height);
        break;
      case 'tracks':
        this.#hasSound = typeof AudioDecoder !== 'undefined' && message.tracks.some(({ kind }) => kind === 'audio');
        host.soundChanged();
        break;
      case 'welcome':
        host.welcome(message.isPaused, message.isPublisherPresent);
        host.viewers(message.viewers);
        break;
      case 'paused':
        host.paused(message.isPaused);
        break;
      case 'publisher':
        host.publisher(message.isPresent);
        break;
      case 'viewers':
        host.viewers(message.count);
        break;
      case 'skipped':
        host.skipped(message.frames);
        break;
      case 'link':
        host.link(message.state);
        break;
      case 'ended':
        host.ended();
        break;
      case 'refused':
        host.refused(message.reason, message.isFinal);
        break;
      case 'failed':
        host.failed(message.failure);
        break;
    }
  }

  #send(message: ToPlayerWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}
