// The player: a stage with the moving picture, what is to be said about it, and its controls. For anybody's page
// (docs/elements.md) and for ours, which gives it its Socket.IO connection with `watch`.
//
// State comes out as the attribute `state` (see player-state.ts) and `data-frames`, `data-delay-ms`, `data-fps`,
// `data-skipped`, `data-buffer-ms`, `data-path`, `data-peer`, `data-first-picture-ms`. It lives in a shadow root, so that a page's styles and
// its own do not meet; what may be styled is a `part`. What a page sets and hears is in `player-attributes.ts`.

import type { TextKey } from '../i18n/es.ts';
import type { Path, PathFailure } from '../player/path.ts';
import type { PeerState } from '../player/peer-watch.ts';
import { PLAYER, type PlayerState } from '../player/player-state.ts';
import { Watch } from '../player/watch.ts';
import type { WatchStats } from '../player/watch-numbers.ts';
import type { Connection } from '../wire/connection.ts';
import { preference } from '../wire/identity.ts';
import css from './abanico-player.css?inline';
import { takeEarlyProperties } from './early-properties.ts';
import { define, sheetOf } from './element.ts';
import { type IconName, icon } from './icon.ts';
import { h, setLabel, setText } from './markup.ts';
import { PlayPromises } from './play-promises.ts';
import { PlayerAttributes, type PlayerEvents } from './player-attributes.ts';
import { requestPictureInPicture, showFullscreen, toggleFullscreen, togglePictureInPicture } from './player-sizes.ts';
import { BUSY, FAILURES, OVER, PEER_SAID, SAID } from './player-words.ts';
import { rise } from './reactions.ts';
import { serverOf } from './server.ts';
import { putBehind, showInFront } from './surface.ts';

/** The controls go away so long after the last movement. */
const CONTROLS_SHOWN_MS = 2_600;

const sheets = sheetOf(css);

export class AbanicoPlayer extends PlayerAttributes {
  readonly #surface = h('div', { class: 'surface', attributes: { part: 'surface' } });
  readonly #said = h('p', { class: 'said', attributes: { part: 'message' } });
  readonly #hint = h('p', { class: 'hint', attributes: { part: 'hint' } });
  readonly #play = this.#button('play', 'player.play', () => this.#begin(), 'play');
  readonly #overlay: HTMLElement = h(
    'div',
    { class: 'overlay', attributes: { role: 'status', part: 'overlay' } },
    h('div', { class: 'spinner', attributes: { 'aria-hidden': 'true', part: 'spinner' } }),
    icon('sound'),
    this.#said,
    this.#hint,
  );
  readonly #floating = h('div', { class: 'floating', attributes: { 'aria-hidden': 'true' } });
  readonly #unmute = this.#button('sound-off', 'player.unmute', () => this.#setMuted(false), 'unmute');
  readonly #mute = this.#button('sound', 'player.mute', () => this.#setMuted(!this.muted));
  readonly #volume = h('input', {
    class: 'volume',
    attributes: { type: 'range', min: 0, max: 1, step: 0.05, value: 1, part: 'volume' },
    labels: { 'aria-label': 'player.volume' },
    on: { input: () => this.#slide(Number(this.#volume.value)) },
  });
  readonly #pip = this.#button('pip', 'player.pip', () => void togglePictureInPicture(this.#path));
  readonly #full = this.#button('fullscreen', 'player.fullscreen', () => void toggleFullscreen(this, this.#path));
  readonly #stage: HTMLElement = h(
    'div',
    { class: 'stage', attributes: { part: 'stage' } },
    this.#surface,
    this.#overlay,
    this.#floating,
    this.#unmute,
    this.#play,
    h(
      'div',
      { class: 'controls', attributes: { part: 'controls' } },
      this.#mute,
      this.#volume,
      h('span', { class: 'space' }),
      this.#pip,
      this.#full,
    ),
  );
  #watch: Watch | undefined;
  #path: Path | undefined;
  /** Undefined until it is in a page or was said: then the attribute says it. */
  #mutedSet: boolean | undefined;
  #level = Number(preference.get('volume') ?? 1);
  #hideTimer: number | undefined;
  #size = { width: 0, height: 0 };
  #viewers = 0;
  #stats: WatchStats | undefined;
  #error: PathFailure | undefined;
  /** It was asked to play, by a page or a person, and not to pause since. */
  #isWanted = false;
  /** The page's own, if it has one. */
  #connection: Connection | undefined;
  readonly #promises = new PlayPromises();

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = sheets;
    root.append(this.#stage);
    this.#unmute.append(h('span', { text: 'player.unmute' }));
    this.#volume.value = String(this.#level);
    for (const event of ['pointermove', 'pointerdown', 'focusin'] as const) {
      this.addEventListener(event, () => this.#showControls());
    }
    this.addEventListener('fullscreenchange', () => showFullscreen(this, this.#full));
    this.#stage.addEventListener('dblclick', () => void toggleFullscreen(this, this.#path));
    this.#showSound();
  }

  connectedCallback(): void {
    this.setAttribute('role', 'region');
    setLabel(this, 'aria-label', 'player.label');
    if (!this.hasAttribute('state')) this.setAttribute('state', PLAYER.idle);
    takeEarlyProperties(this, ['autoplay', 'controls', 'delivery', 'muted', 'src', 'streamKey', 'transport', 'volume']);
    this.#mutedSet ??= this.hasAttribute('muted');
    this.#showSound();
    if (this.#isWanted || this.autoplay) this.#begin();
  }

  disconnectedCallback(): void {
    this.#promises.stopped();
    this.close();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'volume') this.volume = Number(now ?? 1);
    else if (name === 'delivery') this.#deliver();
    else if (this.isConnected && (this.#watch || this.#isWanted || this.autoplay)) this.#begin();
  }

  /** Plays the stream of the attributes, at live age; nothing if it does already. Fulfilled when the picture moves. */
  async play(): Promise<void> {
    if (this.state === PLAYER.playing) return;
    const begun = this.#promises.ask();
    // It plays as soon as it is given one, but that may be never.
    if (!this.streamKey) this.#promises.failed('there is no stream-key and no src');
    if (!this.#watch || OVER.includes(this.state)) this.#begin();
    await begun;
  }

  /** Stops watching; the last picture goes. A live stream that is played again is played live. */
  pause(): void {
    this.#isWanted = false;
    this.#promises.stopped();
    if (!this.#watch) return;
    this.close();
    this.#show(PLAYER.idle);
    this.#notify('pause');
  }

  /** Begins anew. */
  load(): void {
    if (this.#watch) this.#begin();
  }

  /** Watches a stream in place of the one before, over a connection that the page has already. */
  watch(connection: Connection, streamKey: string): void {
    this.#connection = connection;
    this.#isWanted = true;
    if (streamKey === this.streamKey) this.#begin();
    else this.streamKey = streamKey;
  }

  close(): void {
    const watch = this.#watch;
    this.#watch = undefined;
    this.#path = undefined;
    watch?.close();
    this.#surface.replaceChildren();
    this.#showSound();
  }

  get state(): PlayerState {
    return this.#watch?.state ?? PLAYER.idle;
  }

  get paused(): boolean {
    return this.#watch === undefined;
  }

  get ended(): boolean {
    return this.state === PLAYER.ended;
  }

  get muted(): boolean {
    return this.#mutedSet ?? this.hasAttribute('muted');
  }

  set muted(muted: boolean) {
    const before = this.muted;
    this.#mutedSet = muted;
    if (muted !== before) this.#soundSet();
  }

  get volume(): number {
    return this.#level;
  }

  set volume(level: number) {
    const wanted = Math.min(1, Math.max(0, level));
    if (!Number.isFinite(level) || wanted === this.#level) return;
    this.#level = wanted;
    this.#soundSet();
  }

  get videoWidth(): number {
    return this.#size.width;
  }

  get videoHeight(): number {
    return this.#size.height;
  }

  get viewers(): number {
    return this.#viewers;
  }

  /** The newest numbers: delay, buffer, pictures shown and skipped, path. */
  get stats(): WatchStats | undefined {
    return this.#stats;
  }

  get error(): PathFailure | undefined {
    return this.#error;
  }

  async requestPictureInPicture(): Promise<PictureInPictureWindow> {
    return requestPictureInPicture(this.#path);
  }

  /** Lets a reaction rise over the picture. */
  react(emoji: string): void {
    rise(this.#floating, emoji);
  }

  /** Says over the picture that the stream goes on elsewhere. */
  announceNext(): void {
    setText(this.#said, 'player.next');
    this.#hint.hidden = true;
  }

  #begin(): void {
    this.#isWanted = true;
    const { streamKey } = this;
    if (!streamKey || !this.isConnected) return;
    this.#open(streamKey);
    this.#notify('play');
  }

  #open(streamKey: string): void {
    this.close();
    const connection = this.#connection;
    this.dataset.frames = '0';
    this.#error = undefined;
    delete this.dataset.fallback;
    delete this.dataset.peer;
    const server = connection?.server ?? serverOf(this);
    this.#watch = new Watch(
      {
        server,
        streamKey,
        transport: this.transport,
        delivery: this.delivery,
        painter: this.getAttribute('painter') === 'worker' ? 'worker' : 'page',
        connection,
      },
      {
        state: (state) => this.#show(state),
        stats: (stats) => this.#tell(stats),
        stream: (stream, streamerUsername) => this.#emit('stream', { stream, streamerUsername }),
        viewers: (count) => {
          this.#viewers = count;
          this.#emit('viewers', count);
        },
        path: (path, behind) => this.#take(path, behind),
        behind: (path) => putBehind(this.#surface, path.element),
        peer: (state) => this.#peerIs(state),
        sized: (width, height) => this.#resized(width, height),
        fellBack: (to, failure) => {
          this.dataset.fallback = failure.kind;
          this.#emit('fallback', { to, failure });
        },
        failed: (failure) => this.#failed(failure),
        soundChanged: () => this.#soundChanged(),
        next: (key) => this.#emit('next', key),
      },
    );
    this.#show(this.#watch.state);
  }

  #resized(width: number, height: number): void {
    this.#size = { width, height };
    this.#stage.style.setProperty('--ratio', `${width} / ${height}`);
    this.#notify('resize');
  }

  /** An event as media elements have it. */
  #notify(name: string): void {
    this.dispatchEvent(new Event(name));
  }

  #emit<E extends keyof PlayerEvents>(name: E, detail: PlayerEvents[E]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #show(state: PlayerState): void {
    const before = this.getAttribute('state') as PlayerState;
    this.setAttribute('state', state);
    const said = SAID[state];
    if (said) {
      setText(this.#said, said.text);
      if (said.hint) setText(this.#hint, said.hint);
    }
    this.#hint.hidden = said !== undefined && said.hint === undefined;
    this.#sayWaiting();
    this.#cover();
    this.#overlay.classList.toggle('busy', BUSY.includes(state));
    this.#play.hidden = state !== PLAYER.idle || this.#isWanted || !this.controls;
    if (state === before) return;
    this.#emit('statechange', state);
    if (state === PLAYER.playing) {
      this.#promises.begun();
      this.#notify('playing');
    } else if (state === PLAYER.ended) {
      this.#promises.failed('this stream has ended');
      this.#notify('ended');
    } else if (state === PLAYER.notFound) this.#promises.failed('no stream has this key');
    else if (BUSY.includes(state) && !BUSY.includes(before)) this.#notify('waiting');
  }

  /** Over the picture lies what there is to say while there is none, or that there will be none. */
  #cover(): void {
    const isPlaying = this.state === PLAYER.playing;
    const isSoundOnly = isPlaying && this.#path?.isSoundOnly === true;
    this.#overlay.hidden = (isPlaying && !isSoundOnly) || this.state === PLAYER.idle;
    this.#overlay.classList.toggle('sound-only', isSoundOnly);
    if (!isSoundOnly) return;
    setText(this.#said, 'player.sound-only');
    this.#hint.hidden = true;
  }

  #failed(failure: PathFailure): void {
    const { kind, ...values } = failure;
    const isChosen = kind === 'codec' && this.transport !== 'auto';
    setText(this.#said, isChosen ? 'player.unplayable.other-way' : FAILURES[kind], values);
    this.#hint.hidden = true;
    this.#error = failure;
    this.#promises.failed(failure.kind);
    this.#emit('error', failure);
  }

  #tell(stats: WatchStats): void {
    this.dataset.frames = String(stats.frames);
    this.dataset.fps = stats.shownPerSecond.toFixed(1);
    this.dataset.skipped = String(stats.skipped);
    this.dataset.bufferMs = String(Math.round(stats.bufferMs));
    this.#stats = stats;
    if (stats.firstPictureMs !== undefined) this.dataset.firstPictureMs = String(Math.round(stats.firstPictureMs));
    if (stats.path) this.dataset.path = stats.path;
    if (stats.delayMs !== undefined) this.dataset.delayMs = String(Math.round(stats.delayMs));
    this.#emit('stats', stats);
  }

  #take(path: Path, behind: Path | undefined): void {
    this.#path = path;
    showInFront(this.#surface, path.element, behind?.element);
    this.#soundChanged();
  }

  /** Another wish goes on without a gap; only one that a watch does not know of yet begins one. */
  #deliver(): void {
    if (this.#watch) this.#watch.delivery = this.delivery;
  }

  #peerIs(state: PeerState): void {
    this.dataset.peer = state;
    this.#sayWaiting();
    this.#emit('peer', state);
  }

  /** What it waits for: where the publisher sends to each viewer itself, it is that one who must answer. */
  #sayWaiting(): void {
    if (this.getAttribute('state') !== PLAYER.waiting) return;
    const key = PEER_SAID[this.dataset.peer as PeerState];
    this.#hint.hidden = key === undefined;
    if (key) setText(this.#hint, key);
  }

  /** A browser may refuse to start with sound: then without, and the button says how to have it. */
  #soundChanged(): void {
    const path = this.#path;
    void path?.setSound(this.muted, this.#level).then((isAllowed) => {
      if (!isAllowed && path === this.#path) this.#setMuted(true);
    });
    this.#showSound();
    this.#cover();
  }

  #setMuted(muted: boolean): void {
    this.#mutedSet = muted;
    if (!muted && this.#level === 0) this.#level = 0.5;
    this.#soundSet();
  }

  /** Who moves the slider wants to hear it. */
  #slide(level: number): void {
    this.#level = level;
    preference.set('volume', String(level));
    this.#mutedSet = level === 0;
    this.#soundSet();
  }

  #soundSet(): void {
    this.#volume.value = String(this.#level);
    this.#soundChanged();
    this.#notify('volumechange');
  }

  #showSound(): void {
    const hasSound = this.#path?.hasSound ?? false;
    this.#mute.hidden = !hasSound;
    this.#volume.hidden = !hasSound;
    this.#unmute.hidden = !hasSound || !this.muted;
    this.#mute.querySelector('svg')?.replaceWith(icon(this.muted ? 'sound-off' : 'sound'));
    setLabel(this.#mute, 'aria-label', this.muted ? 'player.unmute' : 'player.mute');
    this.#volume.style.setProperty('--filled', `${(this.muted ? 0 : this.#level) * 100}%`);
    this.#pip.hidden = !document.pictureInPictureEnabled;
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
        attributes: { type: 'button', part: `button ${label.slice(label.indexOf('.') + 1)}-button` },
        labels: { 'aria-label': label, title: label },
        on: { click: press },
      },
      icon(name),
    );
  }
}

define('abanico-player', AbanicoPlayer);
