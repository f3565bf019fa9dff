// Shows a stream over the native door: a worker receives and decodes (WebCodecs, or whole pictures).
//
// Usually the page draws, because what it draws is seen one display interval sooner; where the page is busy with other
// things the worker can draw as well.

import { localNow } from '../native/link.ts';
import { type Heard, heardNow } from './frames/heard.ts';
import type { FromPlayerWorker, SoundClock, ToPlayerWorker } from './frames/messages.ts';
import PlayerWorker from './frames/player.worker.ts?worker&inline';
import { Screen } from './frames/screen.ts';
import { SoundOutput } from './frames/sound-output.ts';
import { areSoundOnly, type DoorHost, type Path, type PathStats } from './path.ts';

/** Whether it is worth to try: which codecs there are is found out by the worker. */
export function mayPlayFrames(): boolean {
  return typeof OffscreenCanvas !== 'undefined' && 'transferControlToOffscreen' in HTMLCanvasElement.prototype;
}

/** Who draws. */
export type Painter = 'page' | 'worker';

/** How pictures are due on the page's screen is told to the worker when it moved by so much. */
const DUE_STEP_MS = 2;

export class FramesPath implements Path {
  /** Whole pictures need no WebCodecs. */
  name: 'webcodecs' | 'jpeg' = 'webcodecs';
  isSoundOnly = false;
  readonly element = document.createElement('canvas');
  readonly #worker = new PlayerWorker();
  readonly #host: DoorHost;
  #sound: SoundOutput | undefined;
  readonly #screen: Screen | undefined;
  #workerStats: PathStats = { skipped: 0, bufferMs: 0 };
  #clockOffsetMs: number | undefined;
  #dueOffset = Number.NaN;
  #heard: Heard | undefined;
  #hasSound = false;
  #isVisible = !document.hidden;
  #window: HTMLVideoElement | undefined;

  constructor(url: string, painter: Painter, host: DoorHost) {
    this.#host = host;
    this.#worker.onmessage = ({ data }: MessageEvent<FromPlayerWorker>) => this.#told(data);
    this.#worker.onerror = () => host.failed({ kind: 'broken' });
    const isVisible = this.#isVisible;
    if (painter === 'worker') {
      const canvas = this.element.transferControlToOffscreen();
      this.#send({ type: 'start', url, canvas, isVisible }, [canvas]);
    } else {
      this.#screen = this.#makeScreen();
      this.#send({ type: 'start', url, canvas: undefined, isVisible });
    }
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
    const { skipped, bufferMs } = this.#workerStats;
    const screen = this.#screen;
    return { skipped: skipped + (screen?.skipped ?? 0), bufferMs: Math.round(screen?.bufferMs ?? bufferMs) };
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
    this.#screen?.clear();
    this.#send({ type: 'close' });
    this.#sound?.close();
    if (this.#window) this.#window.srcObject = null;
  }

  /** A picture-in-picture window counts as being seen, and so does being heard. */
  #tellVisible(): void {
    const isInWindow = this.#window !== undefined && document.pictureInPictureElement === this.#window;
    this.#send({ type: 'visible', isVisible: this.#isVisible || isInWindow });
  }

  #makeScreen(): Screen {
    const host = this.#host;
    return new Screen(this.element, {
      drawn: ({ capturedAt }) => {
        const offset = this.#clockOffsetMs;
        host.shown(offset === undefined || capturedAt === 0 ? undefined : localNow() + offset - capturedAt);
      },
      sized: (width, height) => host.sized(width, height),
      released: () => this.#send({ type: 'released' }),
      heard: (now) => heardNow(this.#heard, now),
    });
  }

  #arrived(screen: Screen, arrival: number, time: number, isSound: boolean): void {
    if (isSound) screen.soundArrived(arrival, time);
    else screen.arrived(arrival, time);
    const { dueOffset } = screen;
    if (Math.abs(dueOffset - this.#dueOffset) < DUE_STEP_MS) return;
    this.#dueOffset = dueOffset;
    this.#send({ type: 'due', offsetMs: dueOffset });
  }

  #told(message: FromPlayerWorker): void {
    const host = this.#host;
    const screen = this.#screen;
    switch (message.type) {
      case 'arrived':
        if (screen) this.#arrived(screen, message.arrival, message.time, message.isSound);
        break;
      case 'picture':
        if (screen) screen.show(message.picture);
        else message.picture.image.close();
        break;
      case 'screen':
        if (message.what === 'restart') screen?.restart();
        else screen?.clear();
        break;
      case 'heard':
        this.#heard = { timeMs: message.timeMs, at: message.at };
        break;
      case 'shown':
        host.shown(message.delayMs);
        break;
      case 'stats':
        this.#workerStats = { skipped: message.stats.skipped, bufferMs: message.stats.bufferMs };
        this.#clockOffsetMs = message.stats.clockOffsetMs;
        host.received(message.stats.bytes, message.stats.arrived);
        if (this.isSoundOnly && message.stats.bytes > 0) host.sounding();
        break;
      case 'sized':
        host.sized(message.width, message.height);
        break;
      case 'tracks':
        this.name = message.tracks.some(({ codec }) => codec === 'jpeg') ? 'jpeg' : 'webcodecs';
        this.isSoundOnly = areSoundOnly(message.tracks);
        this.#hasSound = typeof AudioDecoder !== 'undefined' && message.tracks.some(({ kind }) => kind === 'audio');
        host.tracksKnown();
        host.soundChanged();
        if (this.isSoundOnly && !this.#hasSound) host.failed({ kind: 'no-webcodecs' });
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
