// The player: a stage with the moving picture, what is to be said about it, and its controls.
//
// State comes out as the attribute `state` (see player-state.ts) and `data-frames`, `data-delay-ms`, `data-fps`,
// `data-skipped`, `data-path`, `data-first-picture-ms`; changes as the events `statechange`, `stats`, `stream` and `next`. It lives in a shadow
// root, so that a page's styles and its own do not meet.

import type { TextKey } from '../i18n/es.ts';
import type { Path, PathFailure } from '../player/path.ts';
import { PLAYER, type PlayerState } from '../player/player-state.ts';
import { Watch, type WatchStats } from '../player/watch.ts';
import type { Connection } from '../wire/connection.ts';
import type { WireStream } from '../wire/events.ts';
import { preference } from '../wire/identity.ts';
import css from './abanico-player.css?inline';
import { type IconName, icon } from './icon.ts';
import { h, setLabel, setText } from './markup.ts';

/** Reactions that float at the same time; more are not drawn. */
const FLOATING_MAX = 40;
/** The controls go away so long after the last movement. */
const CONTROLS_SHOWN_MS = 2_600;

const SAID: Partial<Record<PlayerState, { text: TextKey; hint?: TextKey }>> = {
  [PLAYER.connecting]: { text: 'player.connecting' },
  [PLAYER.waiting]: { text: 'player.waiting' },
  [PLAYER.paused]: { text: 'player.paused' },
  [PLAYER.lost]: { text: 'player.lost' },
  [PLAYER.reconnecting]: { text: 'player.reconnecting' },
  [PLAYER.ended]: { text: 'player.ended', hint: 'player.ended.hint' },
  [PLAYER.notFound]: { text: 'player.not-found', hint: 'player.not-found.hint' },
};

const FAILURES: Record<PathFailure['kind'], TextKey> = {
  codec: 'player.unplayable.codec',
  'no-media-source': 'player.unplayable.no-media-source',
  broken: 'player.unplayable.broken',
};

/** In these states something is under way. */
const BUSY: readonly PlayerState[] = [PLAYER.connecting, PLAYER.waiting, PLAYER.lost, PLAYER.reconnecting];

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

export interface PlayerEvents {
  statechange: PlayerState;
  stats: WatchStats;
  stream: { stream: WireStream; streamerUsername: string | undefined };
  next: string;
}

export class AbanicoPlayer extends HTMLElement {
  readonly #surface = h('div', { class: 'surface' });
  readonly #said = h('p', { class: 'said' });
  readonly #hint = h('p', { class: 'hint' });
  readonly #overlay = h(
    'div',
    { class: 'overlay', attributes: { role: 'status' } },
    h('div', { class: 'spinner', attributes: { 'aria-hidden': 'true' } }),
    this.#said,
    this.#hint,
  );
  readonly #floating = h('div', { class: 'floating', attributes: { 'aria-hidden': 'true' } });
  readonly #unmute = this.#button('sound-off', 'player.unmute', () => this.#setMuted(false), 'unmute');
  readonly #mute = this.#button('sound', 'player.mute', () => this.#setMuted(!this.#isMuted));
  readonly #volume = h('input', {
    class: 'volume',
    attributes: { type: 'range', min: 0, max: 1, step: 0.05, value: 1 },
    labels: { 'aria-label': 'player.volume' },
    on: { input: () => this.#setVolume(Number(this.#volume.value)) },
  });
  readonly #pip = this.#button('pip', 'player.pip', () => void this.#togglePictureInPicture());
  readonly #full = this.#button('fullscreen', 'player.fullscreen', () => void this.#toggleFullscreen());
  readonly #stage = h(
    'div',
    { class: 'stage' },
    this.#surface,
    this.#overlay,
    this.#floating,
    this.#unmute,
    h('div', { class: 'controls' }, this.#mute, this.#volume, h('span', { class: 'space' }), this.#pip, this.#full),
  );
  #watch: Watch | undefined;
  #path: Path | undefined;
  #isMuted = true;
  #level = Number(preference.get('volume') ?? 1);
  #hideTimer: number | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    root.append(this.#stage);
    this.#unmute.append(h('span', { text: 'player.unmute' }));
    this.#volume.value = String(this.#level);
    for (const event of ['pointermove', 'pointerdown', 'focusin'] as const) {
      this.addEventListener(event, () => this.#showControls());
    }
    this.addEventListener('fullscreenchange', () => this.#showFullscreen());
    this.#stage.addEventListener('dblclick', () => void this.#toggleFullscreen());
    this.#showSound();
  }

  connectedCallback(): void {
    this.setAttribute('role', 'region');
    setLabel(this, 'aria-label', 'player.label');
    if (!this.hasAttribute('state')) this.setAttribute('state', PLAYER.idle);
  }

  disconnectedCallback(): void {
    this.close();
  }

  /** Watches a stream in place of the one before. */
  watch(connection: Connection, streamKey: string): void {
    this.close();
    this.dataset.frames = '0';
    this.#watch = new Watch(connection, streamKey, {
      state: (state) => this.#show(state),
      stats: (stats) => this.#tell(stats),
      stream: (stream, streamerUsername) => this.#emit('stream', { stream, streamerUsername }),
      path: (path) => this.#take(path),
      sized: (width, height) => this.#stage.style.setProperty('--ratio', `${width} / ${height}`),
      failed: (failure) => this.#failed(failure),
      next: (key) => this.#emit('next', key),
    });
    this.#show(this.#watch.state);
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#path = undefined;
  }

  get state(): PlayerState {
    return this.#watch?.state ?? PLAYER.idle;
  }

  /** Lets a reaction rise over the picture. */
  react(emoji: string): void {
    if (document.hidden || this.#floating.childElementCount >= FLOATING_MAX) return;
    const one = h('span', {}, emoji);
    one.style.setProperty('--from', `${5 + Math.random() * 30}%`);
    one.style.setProperty('--sway', `${Math.random() * 60 - 30}px`);
    one.addEventListener('animationend', () => one.remove());
    this.#floating.append(one);
  }

  /** Says over the picture that the stream goes on elsewhere. */
  announceNext(): void {
    setText(this.#said, 'player.next');
    this.#hint.textContent = '';
  }

  #emit<E extends keyof PlayerEvents>(name: E, detail: PlayerEvents[E]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #show(state: PlayerState): void {
    this.setAttribute('state', state);
    const said = SAID[state];
    if (said) {
      setText(this.#said, said.text);
      if (said.hint) setText(this.#hint, said.hint);
    }
    this.#hint.hidden = said !== undefined && said.hint === undefined;
    this.#overlay.hidden = state === PLAYER.playing || state === PLAYER.idle;
    this.#overlay.classList.toggle('busy', BUSY.includes(state));
    this.#emit('statechange', state);
  }

  #failed(failure: PathFailure): void {
    setText(this.#said, FAILURES[failure.kind], { codec: failure.kind === 'codec' ? failure.codec : '' });
    this.#hint.hidden = true;
  }

  #tell(stats: WatchStats): void {
    this.dataset.frames = String(stats.frames);
    this.dataset.fps = stats.shownPerSecond.toFixed(1);
    this.dataset.skipped = String(stats.skipped);
    if (stats.firstPictureMs !== undefined) this.dataset.firstPictureMs = String(Math.round(stats.firstPictureMs));
    if (stats.path) this.dataset.path = stats.path;
    if (stats.delayMs !== undefined) this.dataset.delayMs = String(Math.round(stats.delayMs));
    this.#emit('stats', stats);
  }

  #take(path: Path): void {
    this.#path = path;
    this.#surface.replaceChildren(path.element);
    const video = path.element;
    if (video instanceof HTMLVideoElement) {
      video.volume = this.#level;
      video.muted = this.#isMuted;
      // A browser may refuse to start with sound: then without, and the button says how to have it.
      if (!this.#isMuted) void video.play().catch(() => this.#setMuted(true));
    }
    this.#showSound();
  }

  #setMuted(muted: boolean): void {
    this.#isMuted = muted;
    if (this.#path?.element instanceof HTMLVideoElement) {
      this.#path.element.muted = muted;
      if (!muted && this.#level === 0) this.#setVolume(0.5);
      void this.#path.element.play().catch(() => {});
    }
    this.#showSound();
  }

  #setVolume(level: number): void {
    this.#level = level;
    this.#volume.value = String(level);
    preference.set('volume', String(level));
    if (this.#path?.element instanceof HTMLVideoElement) this.#path.element.volume = level;
    this.#isMuted = level === 0;
    if (this.#path?.element instanceof HTMLVideoElement) this.#path.element.muted = this.#isMuted;
    this.#showSound();
  }

  #showSound(): void {
    const hasSound = this.#path?.element instanceof HTMLVideoElement;
    this.#mute.hidden = !hasSound;
    this.#volume.hidden = !hasSound;
    this.#unmute.hidden = !hasSound || !this.#isMuted;
    this.#mute.querySelector('svg')?.replaceWith(icon(this.#isMuted ? 'sound-off' : 'sound'));
    setLabel(this.#mute, 'aria-label', this.#isMuted ? 'player.unmute' : 'player.mute');
    this.#volume.style.setProperty('--filled', `${(this.#isMuted ? 0 : this.#level) * 100}%`);
    this.#pip.hidden = !document.pictureInPictureEnabled;
  }

  async #togglePictureInPicture(): Promise<void> {
    const video = this.#path?.pictureInPictureVideo();
    if (!video) return;
    try {
      if (document.pictureInPictureElement === video) await document.exitPictureInPicture();
      else {
        if (video.readyState < 1)
          await new Promise((ready) => video.addEventListener('loadedmetadata', ready, { once: true }));
        await video.requestPictureInPicture();
      }
    } catch {
      // The browser or the person said no.
    }
  }

  async #toggleFullscreen(): Promise<void> {
    try {
      if (document.fullscreenElement === this) await document.exitFullscreen();
      else if (this.requestFullscreen) await this.requestFullscreen();
      else this.#iPhoneFullscreen();
    } catch {
      // The browser said no.
    }
  }

  /** iPhones only enlarge a video element. */
  #iPhoneFullscreen(): void {
    const video = this.#path?.element as { webkitEnterFullscreen?: () => void } | undefined;
    video?.webkitEnterFullscreen?.();
  }

  #showFullscreen(): void {
    const isFull = document.fullscreenElement === this;
    this.#full.querySelector('svg')?.replaceWith(icon(isFull ? 'fullscreen-leave' : 'fullscreen'));
    setLabel(this.#full, 'aria-label', isFull ? 'player.fullscreen.leave' : 'player.fullscreen');
  }

  #showControls(): void {
    this.#stage.classList.add('touched');
    clearTimeout(this.#hideTimer);
    this.#hideTimer = window.setTimeout(() => this.#stage.classList.remove('touched'), CONTROLS_SHOWN_MS);
  }

  #button(name: IconName, label: TextKey, press: () => void, kind = 'control'): HTMLButtonElement {
    return h(
      'button',
      {
        class: kind,
        attributes: { type: 'button' },
        labels: { 'aria-label': label, title: label },
        on: { click: press },
      },
      icon(name),
    );
  }
}

customElements.define('abanico-player', AbanicoPlayer);
