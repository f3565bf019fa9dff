// The publisher: opens a camera, a screen, the test picture or what it is given, shows it, and sends it. For anybody's
// page (docs/elements.md), and for ours, which has its own buttons around it.
//
// State comes out as the attribute `state` (see publisher-state.ts) and `data-sent`, `data-dropped`, `data-way`, `data-peers`. It lives
// in a shadow root; children are shown in a corner of the picture.

import type { TextKey } from '../i18n/es.ts';
import { type Delivery, deliveryFrom } from '../peer/delivery.ts';
import {
  DEFAULT_QUALITY,
  MODES,
  type Mode,
  QUALITIES,
  type Quality,
  type Settings,
  settingsFor,
} from '../publish/presets.ts';
import { Problem, problemOf } from '../publish/problem.ts';
import type { PublishStats } from '../publish/publish-numbers.ts';
import { type Notice, PublishSession } from '../publish/publish-session.ts';
import { PUBLISHER, type PublisherState } from '../publish/publisher-state.ts';
import { openSource, SOURCES, type Source, type SourceWish, sourceOf } from '../publish/source.ts';
import { keepAwake } from '../publish/wake-lock.ts';
import type { WireStream } from '../wire/events.ts';
import { type PublishRight, shortTag } from '../wire/identity.ts';
import { watchUrl } from '../wire/streams.ts';
import css from './abanico-publisher.css?inline';
import { define, type EventsOf, elementWith, sheetOf } from './element.ts';
import { h, localized, setText } from './markup.ts';
import { serverOf } from './server.ts';

const sheets = sheetOf(css);

export interface PublisherEvents {
  statechange: PublisherState;
  stats: PublishStats;
  stream: { stream: WireStream; watchUrl: string };
  problem: Problem;
  notice: Notice;
}

export interface StartOptions {
  username?: string;
  right?: PublishRight | undefined;
  /** The operator's key, where the server asks for it. */
  key?: string | undefined;
  /** A new stream is in no list, and watched with links alone. */
  isPrivate?: boolean;
}

/** All that a publisher tells, as `addEventListener` gives it. */
export type PublisherEventMap = EventsOf<PublisherEvents, never>;

export class AbanicoPublisher extends elementWith<PublisherEventMap>() {
  static readonly observedAttributes = ['delivery'];

  readonly #video = h('video', {
    attributes: { playsinline: true, autoplay: true, tabindex: -1, part: 'preview' },
    labels: { 'aria-label': 'streamer.preview' },
  });
  readonly #words = h('p');
  readonly #more = h('slot', { attributes: { name: 'message' } });
  readonly #said = h(
    'div',
    { class: 'said', attributes: { role: 'status', part: 'message' } },
    this.#words,
    this.#more,
  );
  readonly #start = this.#button('start', 'streamer.start', () => void this.start());
  readonly #pause = this.#button('pause', 'streamer.pause', () =>
    this.state === PUBLISHER.paused ? this.resume() : this.pause(),
  );
  readonly #stop = this.#button('stop', 'streamer.stop', () => this.stop());
  readonly #stage: HTMLElement = h(
    'div',
    { class: 'stage', attributes: { part: 'stage' } },
    this.#video,
    this.#said,
    h('div', { class: 'corner' }, h('slot')),
  );
  #source: Source | undefined;
  #opening: Promise<Source> | undefined;
  #starting: Promise<void> | undefined;
  /** Another with every source that is wished, set or let go: what was asked for under an older one is not taken. */
  #turn = 0;
  #session: PublishSession | undefined;
  #stream: WireStream | undefined;
  #stats: PublishStats | undefined;
  #settings: Settings | undefined;
  #stopAwake = () => {};

  constructor() {
    super();
    this.#video.muted = true;
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = sheets;
    root.append(
      this.#stage,
      h('div', { class: 'controls', attributes: { part: 'controls' } }, this.#start, this.#pause, this.#stop),
    );
  }

  connectedCallback(): void {
    this.#show(this.state);
    if (this.hasAttribute('autostart')) void this.start();
  }

  attributeChangedCallback(_delivery: string, before: string | null, now: string | null): void {
    if (before !== now && this.#session) this.#session.delivery = this.delivery;
  }

  disconnectedCallback(): void {
    // A page that takes the element away has not ended the stream: it may come back with the token.
    this.#session?.leave();
    this.#session = undefined;
    this.#starting = undefined;
    this.close();
    this.#stopAwake();
    this.#stopAwake = () => {};
  }

  get state(): PublisherState {
    return this.#session?.state ?? PUBLISHER.idle;
  }

  /** A stream is under way or being begun. */
  get isOn(): boolean {
    return this.state !== PUBLISHER.idle && this.state !== PUBLISHER.ended;
  }

  get source(): Source | undefined {
    return this.#source;
  }

  get session(): PublishSession | undefined {
    return this.#session;
  }

  get streamKey(): string | null {
    return this.#stream?.streamKey ?? this.getAttribute('stream-key');
  }

  /** What lets one come back to this stream; undefined before it was created. */
  get publishToken(): string | undefined {
    return this.#session?.right?.publishToken;
  }

  /** The link to share. */
  get watchUrl(): string | null {
    return this.#stream ? watchUrl(this.#stream.streamKey, serverOf(this)) : null;
  }

  /** Who sends to the viewers: the server (`central`), this page (`p2p`), or as it is best (`auto`). */
  get delivery(): Delivery {
    return deliveryFrom(this.getAttribute('delivery'));
  }

  set delivery(delivery: Delivery) {
    this.setAttribute('delivery', delivery);
  }

  get stats(): PublishStats | undefined {
    return this.#stats;
  }

  get srcObject(): MediaStream | null {
    return this.#source?.stream ?? null;
  }

  /** Publishes a stream of the page's own. */
  set srcObject(stream: MediaStream | null) {
    this.#turn += 1;
    if (stream) this.#take(sourceOf(stream), false);
    else this.close();
  }

  /** What is sent: of the attributes `mode` and `quality`, or what was set here. */
  get settings(): Settings {
    if (this.#settings) return this.#settings;
    const mode = this.#word('mode', MODES, 'live') as Mode;
    return settingsFor(mode, this.#word('quality', QUALITIES, DEFAULT_QUALITY[mode]) as Quality);
  }

  set settings(settings: Settings) {
    this.#settings = settings;
    if (this.#source) this.#session?.change(this.#source, settings);
  }

  /**
   * Opens the picture and the sound, and shows them. Throws a `Problem` that says in a word what is wrong, or an
   * `AbortError` when another source was wished before this one was there, or none.
   */
  open(wish: SourceWish = this.#wish(), settings: Settings | undefined = this.#settings): Promise<Source> {
    this.#settings = settings;
    const opening = this.#openNow(wish).finally(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    this.#opening = opening;
    return opening;
  }

  /** What is being opened just now, or what is opened in its place; undefined if nothing is, or if it fails. */
  get opening(): Promise<Source | undefined> | undefined {
    return this.#opening?.catch(() => this.opening);
  }

  /** Lets camera and microphone go; a prompt that is still open is answered in vain. */
  close(): void {
    this.#turn += 1;
    this.#source?.stop();
    this.#source = undefined;
    this.#video.srcObject = null;
  }

  /**
   * Goes live, on a new stream or on the one that `right` (or `stream-key` and `token`) stands for. While that waits for the
   * camera, a second call is part of the first.
   */
  async start(options: StartOptions = {}): Promise<void> {
    if (this.isOn) return;
    if (!this.#starting) {
      const starting: Promise<void> = this.#startNow(options, () => this.#starting === starting).finally(() => {
        if (this.#starting === starting) this.#starting = undefined;
      });
      this.#starting = starting;
    }
    await this.#starting;
  }

  async #startNow(options: StartOptions, isWanted: () => boolean): Promise<void> {
    let source: Source | undefined;
    try {
      source = (await this.opening) ?? this.#source;
      // Taken out of the page meanwhile: nobody is asked for anything any more.
      if (!isWanted()) return;
      source ??= await this.open();
    } catch (error) {
      if (error instanceof Problem) {
        this.#emit('problem', error);
        return;
      }
      // Another source was wished meanwhile: that one is sent.
      source = (await this.opening) ?? this.#source;
    }
    if (!source || !isWanted()) return;
    const username = options.username ?? this.getAttribute('name') ?? `Host-${shortTag()}`;
    const right = options.right ?? this.#right();
    const session = new PublishSession(
      {
        username,
        server: serverOf(this),
        source,
        settings: this.settings,
        delivery: this.delivery,
        right,
        key: options.key,
        isPrivate: options.isPrivate ?? false,
      },
      {
        state: (state) => {
          if (this.#session === session) this.#show(state);
        },
        stats: (stats) => this.#tell(stats),
        stream: (stream) => this.#streaming(stream),
        problem: (problem) => this.#emit('problem', problem),
        notice: (notice) => this.#emit('notice', notice),
      },
    );
    this.#session = session;
    session.start();
  }

  pause(): void {
    this.#session?.setPaused(true);
  }

  resume(): void {
    this.#session?.setPaused(false);
  }

  /** Ends the stream for everybody. One that still waits for the camera does not begin; the camera is let go when it comes. */
  stop(): void {
    this.#session?.end();
    if (!this.#starting) return;
    this.#starting = undefined;
    if (!this.#opening) return;
    this.close();
    this.say('streamer.preview.off');
  }

  /** Sends an open source whose tracks changed. */
  refresh(): void {
    if (this.#source) this.#session?.change(this.#source, this.settings);
  }

  /** Shows words in place of a picture, and what else there is to click. */
  say(key: TextKey, ...more: HTMLElement[]): void {
    this.#video.srcObject = null;
    setText(this.#words, key);
    this.#words.hidden = false;
    this.#clearMore();
    for (const node of more) {
      node.slot = 'message';
      this.append(node);
    }
  }

  async #openNow(wish: SourceWish): Promise<Source> {
    this.close();
    const turn = this.#turn;
    const isTurn = () => turn === this.#turn;
    this.say('streamer.preview.opening');
    let source: Source;
    try {
      source = await openSource(wish);
    } catch (error) {
      if (isTurn()) this.say('streamer.preview.off');
      throw problemOf(error, wish.kind);
    }
    if (!isTurn()) {
      source.stop();
      throw new DOMException('another source was wished meanwhile, or none', 'AbortError');
    }
    this.#take(source, wish.kind === 'camera');
    return source;
  }

  #take(source: Source, isMirrored: boolean): void {
    this.#source = source;
    this.#words.hidden = true;
    this.#clearMore();
    this.#stage.classList.toggle('mirrored', isMirrored);
    this.#video.srcObject = source.stream;
    void this.#video.play().catch(() => {});
    source.video.addEventListener('ended', () => {
      if (this.#source !== source) return;
      this.#emit('problem', new Problem('source-ended'));
      this.pause();
      this.close();
      this.say('streamer.preview.off');
    });
    this.refresh();
  }

  #wish(): SourceWish {
    const { settings } = this;
    const { width, height, framesPerSecond } = settings;
    const isSilent = settings.kind === 'picture' || this.getAttribute('microphone') === 'off';
    return {
      kind: this.#word('source', SOURCES, 'camera'),
      width,
      height,
      framesPerSecond: settings.kind === 'picture' ? 30 : framesPerSecond,
      cameraId: this.getAttribute('camera') ?? undefined,
      microphoneId: isSilent ? undefined : (this.getAttribute('microphone') ?? ''),
    };
  }

  #right(): PublishRight | undefined {
    const streamKey = this.getAttribute('stream-key');
    const publishToken = this.getAttribute('token');
    return streamKey && publishToken ? { streamKey, publishToken } : undefined;
  }

  #streaming(stream: WireStream): void {
    this.#stream = stream;
    this.#emit('stream', { stream, watchUrl: watchUrl(stream.streamKey, serverOf(this)) });
  }

  #show(state: PublisherState): void {
    this.setAttribute('state', state);
    this.#stopAwake();
    this.#stopAwake = this.isOn ? keepAwake() : () => {};
    this.#start.hidden = this.isOn;
    this.#stop.hidden = !this.isOn;
    this.#pause.hidden = state !== PUBLISHER.live && state !== PUBLISHER.paused;
    setText(this.#pause, state === PUBLISHER.paused ? 'streamer.resume' : 'streamer.pause');
    this.#emit('statechange', state);
  }

  #tell(stats: PublishStats): void {
    this.#stats = stats;
    this.dataset.sent = String(stats.sent);
    this.dataset.dropped = String(stats.dropped);
    this.dataset.way = stats.way;
    this.dataset.peers = String(stats.peers.filter(({ phase }) => phase === 'connected').length);
    this.#emit('stats', stats);
  }

  #emit<E extends keyof PublisherEvents>(name: E, detail: PublisherEvents[E]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #clearMore(): void {
    for (const node of this.querySelectorAll(':scope > [slot="message"]')) node.remove();
  }

  #word<V extends string>(attribute: string, values: readonly V[], usual: V): V {
    const wanted = this.getAttribute(attribute);
    return values.find((value) => value === wanted) ?? usual;
  }

  #button(name: string, label: TextKey, press: () => void): HTMLButtonElement {
    const button = h('button', { class: name, attributes: { type: 'button', part: `button ${name}-button` } });
    button.addEventListener('click', press);
    button.append(localized(label));
    return button;
  }
}

define('abanico-publisher', AbanicoPublisher);
