// What the streamer page does: holds the open source and the session, and keeps the page's parts in step with them.

import { addTexts, bitrateText, t } from '../i18n/language.ts';
import { pairingTexts } from '../i18n/pairing.ts';
import { untilOver } from '../native/until-over.ts';
import { startLevelMeter } from '../publish/level-meter.ts';
import { type Problem, problemOf } from '../publish/problem.ts';
import type { PublishStats } from '../publish/publish-numbers.ts';
import { type Notice, PublishSession } from '../publish/publish-session.ts';
import { PUBLISHER, type PublisherState } from '../publish/publisher-state.ts';
import { addMicrophone, type Source } from '../publish/source.ts';
import type { AbanicoPublisher, PublisherEvents } from '../ui/abanico-publisher.ts';
import type { AudienceCard } from '../ui/audience-card.ts';
import type { ChatPanel } from '../ui/chat-panel.ts';
import { icon } from '../ui/icon.ts';
import { type BadgeState, liveBadge } from '../ui/live-badge.ts';
import type { LiveNumbers } from '../ui/live-numbers.ts';
import { h, setText } from '../ui/markup.ts';
import { messageBox } from '../ui/message-box.ts';
import type { ShareCard } from '../ui/share-card.ts';
import type { SourceSettings, WishChange } from '../ui/source-settings.ts';
import { lastPublished, type PublishRight, preference, shortTag } from '../wire/identity.ts';
import { pair, pairingCode, publishKey } from '../wire/publish-key.ts';
import { makeViewLink } from '../wire/streams.ts';
import '../ui/audience-card.ts';
import '../ui/chat-panel.ts';
import '../ui/live-numbers.ts';
import '../ui/share-card.ts';
import '../ui/abanico-publisher.ts';
import '../ui/source-settings.ts';

const NAME_LENGTH_MAX = 64;
/** A click on "End" must be repeated within this time. */
const SURE_MS = 4_000;

const BADGES: Record<PublisherState, BadgeState> = {
  [PUBLISHER.idle]: 'offline',
  [PUBLISHER.connecting]: 'connecting',
  [PUBLISHER.live]: 'live',
  [PUBLISHER.paused]: 'paused',
  [PUBLISHER.reconnecting]: 'reconnecting',
  [PUBLISHER.ended]: 'ended',
};

addTexts(pairingTexts);

export class StreamerDesk {
  readonly #publisher = document.createElement('abanico-publisher') as AbanicoPublisher;
  readonly #settings = document.createElement('source-settings') as SourceSettings;
  readonly #share = document.createElement('share-card') as ShareCard;
  readonly #numbers = document.createElement('live-numbers') as LiveNumbers;
  readonly #audience = document.createElement('audience-card') as AudienceCard;
  readonly #chat = document.createElement('chat-panel') as ChatPanel;
  readonly #badge = liveBadge('offline');
  readonly #messages = h('div', { class: 'messages' });
  readonly #offer = h('section', { class: 'offer card', attributes: { hidden: true } });
  readonly #name = h('input', {
    class: 'input',
    id: 'name',
    attributes: { type: 'text', maxlength: NAME_LENGTH_MAX, autocomplete: 'nickname', required: true },
  });
  readonly #start = this.#button('start', 'primary big', () => void this.#goLive());
  readonly #pause = this.#button('pause', '', () => this.#togglePause());
  readonly #stop = this.#button('stop', 'danger', () => this.#askEnd());
  readonly #nameField = h(
    'label',
    { class: 'field name-field' },
    h('span', { class: 'name', text: 'streamer.name' }),
    this.#name,
  );
  readonly #private = h('input', { id: 'private', attributes: { type: 'checkbox' } });
  readonly #privateField = h(
    'label',
    { class: 'private-field', labels: { title: 'streamer.private.what' } },
    this.#private,
    h('span', { text: 'streamer.private' }),
  );
  readonly #key = h('input', {
    class: 'input',
    id: 'key',
    attributes: { type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'key-hint' },
  });
  readonly #keyForm = h(
    'form',
    {
      class: 'key-form',
      attributes: { hidden: true },
      on: {
        submit: (event) => {
          event.preventDefault();
          void this.#goLive();
        },
      },
    },
    h('label', { class: 'field' }, h('span', { class: 'name', text: 'streamer.key' }), this.#key),
    h('p', { class: 'small quiet', id: 'key-hint', text: 'streamer.key.hint' }),
  );
  readonly #settingsCard = h('details', { class: 'card settings', attributes: { open: true } });
  readonly #side = h('aside', { class: 'side' });
  readonly root = h('div', { class: 'desk', attributes: { 'data-state': PUBLISHER.idle } });
  #stopMeter = () => {};
  #sureTimer: number | undefined;
  #pairing: Promise<void> | undefined;
  /** Stops listening for the end of the stream of before. */
  #leaveBefore = () => {};
  readonly #warnBeforeLeaving = (event: BeforeUnloadEvent) => event.preventDefault();

  constructor() {
    this.#name.value = preference.get('name') ?? t('streamer.name.default', { tag: shortTag() });
    this.#private.checked = preference.get('private') === 'yes';
    this.#share.className = 'card';
    this.#numbers.className = 'card';
    this.#audience.className = 'card';
    this.#chat.className = 'card';
    this.#settingsCard.append(h('summary', {}, h('h2', { text: 'streamer.settings' })), this.#settings);
    this.#settings.addEventListener('wish', (event) => void this.#wished((event as CustomEvent<WishChange>).detail));
    this.root.append(
      h(
        'section',
        { class: 'stage' },
        h('h1', { class: 'out-of-sight', text: 'streamer.heading' }),
        this.#offer,
        this.#publisher,
        h(
          'div',
          { class: 'bar' },
          this.#nameField,
          this.#privateField,
          h('div', { class: 'buttons' }, this.#start, this.#pause, this.#stop),
        ),
        this.#keyForm,
        this.#messages,
        this.#numbers,
        this.#audience,
      ),
      this.#side,
    );
    this.#side.append(this.#share, this.#settingsCard, this.#chat);
    this.#show(PUBLISHER.idle);
  }

  start(): void {
    publishKey.takeFrom();
    pairingCode.takeFrom();
    this.#pairing = this.#pair();
    const publisher = this.#publisher;
    publisher.append(this.#badge);
    const listen = <E extends keyof PublisherEvents>(event: E, then: (detail: PublisherEvents[E]) => void) =>
      publisher.addEventListener(event, (e) => then((e as CustomEvent<PublisherEvents[E]>).detail));
    listen('statechange', (state) => this.#show(state));
    listen('stats', (stats) => this.#tell(stats));
    listen('stream', (stream) => this.#showShare(stream.watchUrl));
    listen('problem', (problem) => this.#sayProblem(problem));
    listen('notice', (notice) => this.#sayNotice(notice));
    const before = lastPublished.get();
    if (before) this.#offerToContinue(before);
    if (this.#settings.wish.kind === 'screen') this.#askForScreen();
    else void this.#open();
  }

  /** Opens what the settings wish; says what went wrong. Undefined if nothing could be opened. */
  async #open(): Promise<Source | undefined> {
    const { wish, settings } = this.#settings;
    this.#clearMessages();
    this.#stopMeter();
    try {
      const source = await this.#publisher.open(wish, settings);
      this.#meter();
      if (source.microphoneProblem) this.#sayMicrophone(source.microphoneProblem);
      void this.#settings.refreshDevices();
      return source;
    } catch (error) {
      // Something else is opened by now.
      if (error instanceof DOMException && error.name === 'AbortError') return undefined;
      const problem = problemOf(error, wish.kind);
      if (problem.kind === 'device-cannot') this.#settings.forgetDevices();
      this.#sayProblem(problem);
      if (wish.kind === 'screen') this.#askForScreen();
      else
        this.#publisher.say(
          'streamer.preview.off',
          this.#button('retry', '', () => void this.#open(), 'streamer.preview.retry'),
        );
      return undefined;
    }
  }

  #meter(): void {
    this.#stopMeter();
    const track = this.#publisher.source?.audio;
    if (!track) return;
    track.enabled = this.#settings.isMicrophoneOn;
    this.#stopMeter = startLevelMeter(track, (level) => {
      this.#settings.level.level = level;
    });
  }

  #close(): void {
    this.#stopMeter();
    this.#publisher.close();
  }

  async #wished(change: WishChange): Promise<void> {
    const { wish, settings } = this.#settings;
    const publisher = this.#publisher;
    if (change === 'delivery') {
      publisher.delivery = this.#settings.delivery;
      return;
    }
    const current = publisher.source;
    if (change === 'microphone' && current) {
      if (current.audio) current.audio.enabled = this.#settings.isMicrophoneOn;
      else if (wish.microphoneId !== undefined) await this.#addMicrophone(current, wish.microphoneId);
      else return;
    } else if (wish.kind === 'screen' && (change === 'source' || !current)) {
      if (current?.kind !== 'screen') {
        this.#close();
        this.#askForScreen();
        return;
      }
      // A shared screen is not asked for again; only its microphone may have changed.
      if (wish.microphoneId !== undefined) await this.#addMicrophone(current, wish.microphoneId);
    } else if (wish.kind !== 'screen') {
      await this.#open();
    }
    if (change === 'settings') publisher.settings = settings;
    if (publisher.state === PUBLISHER.paused && publisher.source && change === 'source') publisher.resume();
  }

  async #addMicrophone(source: Source, deviceId: string): Promise<void> {
    try {
      await addMicrophone(source, deviceId);
      this.#meter();
      this.#publisher.refresh();
    } catch (error) {
      this.#sayMicrophone(problemOf(error, 'camera'));
    }
  }

  #askForScreen(): void {
    this.#publisher.say(
      'streamer.preview.off',
      this.#button('choose-screen', 'primary', () => void this.#openScreen(), 'streamer.source.screen'),
    );
  }

  async #openScreen(): Promise<void> {
    const source = await this.#open();
    if (source && this.#publisher.state === PUBLISHER.paused) this.#publisher.resume();
  }

  #togglePause(): void {
    if (this.#publisher.state === PUBLISHER.live) this.#publisher.pause();
    else this.#publisher.resume();
  }

  async #goLive(right?: PublishRight): Promise<void> {
    if (!this.#name.reportValidity()) return;
    if (!this.#keyForm.hidden && !this.#key.reportValidity()) return;
    const username = this.#name.value.trim();
    if (!username || this.#isOn) return;
    this.#start.disabled = true;
    const publisher = this.#publisher;
    const source = publisher.source ?? (await publisher.opening) ?? (await this.#open());
    this.#start.disabled = false;
    if (!source) return;
    preference.set('name', username);
    await this.#pairing;
    this.#clearMessages();
    this.#withdraw();
    publisher.settings = this.#settings.settings;
    publisher.delivery = this.#settings.delivery;
    const key = this.#keyForm.hidden ? (publishKey.get() ?? undefined) : this.#key.value.trim();
    preference.set('private', this.#private.checked ? 'yes' : null);
    await publisher.start({ username, right, key, isPrivate: this.#private.checked });
    if (!publisher.session) return;
    const { connection } = publisher.session;
    connection.on('viewer:joined', ({ username: name }) => this.#audience.came(name));
    connection.on('viewer:left', ({ username: name }) => this.#audience.left(name));
    this.#chat.attach({
      connection,
      streamKey: () => publisher.session?.streamKey,
      hostName: () => username,
      isModerator: true,
      nameWish: null,
    });
  }

  /** The address for everybody; of a private stream, what makes links to it. */
  #showShare(watchUrl: string): void {
    const right = this.#publisher.session?.right;
    if (right && this.#private.checked) this.#share.showPrivate((wish) => makeViewLink(right, wish));
    else this.#share.show(watchUrl);
  }

  get #isOn(): boolean {
    return this.#publisher.isOn;
  }

  /** A code that was scanned does what the key would. */
  async #pair(): Promise<void> {
    const isPaired = await pair();
    if (isPaired === true) this.#say('notice', () => t('pairing.works'), 'pairing');
    if (isPaired === false) this.#say('problem', () => t('pairing.fails'), 'pairing');
  }

  #askForKey(): void {
    publishKey.set(null);
    this.#keyForm.hidden = false;
    this.#key.focus();
    this.#key.select();
  }

  /** A key that opened a stream opens the next one too. */
  #keepKey(): void {
    if (this.#keyForm.hidden) return;
    publishKey.set(this.#key.value.trim());
    this.#keyForm.hidden = true;
  }

  #offerToContinue(before: PublishRight & { username: string }): void {
    this.#name.value = before.username;
    this.#offer.hidden = false;
    this.#leaveBefore = untilOver(before, () => this.#forget());
    this.#offer.replaceChildren(
      h(
        'div',
        {},
        h('h2', { text: 'streamer.continue.title' }),
        h('p', { class: 'quiet', text: 'streamer.continue.text' }),
      ),
      h(
        'div',
        { class: 'buttons' },
        this.#button('continue', 'primary', () => void this.#goLive(before), 'streamer.continue.yes'),
        this.#button('discard', '', () => this.#endBefore(before), 'streamer.continue.no'),
      ),
    );
  }

  #withdraw(): void {
    this.#leaveBefore();
    this.#offer.hidden = true;
  }

  /** There is nothing any more to go on with. */
  #forget(): void {
    lastPublished.clear();
    this.#withdraw();
  }

  /** Ends the stream of before the reload without going live again. */
  #endBefore(before: PublishRight & { username: string }): void {
    this.#forget();
    PublishSession.endFrom(before.username, before);
  }

  #askEnd(): void {
    clearTimeout(this.#sureTimer);
    if (this.#stop.dataset.sure !== undefined) {
      this.#publisher.stop();
      return;
    }
    this.#stop.dataset.sure = '';
    this.#label(this.#stop, 'stop', 'streamer.stop.sure');
    this.#sureTimer = window.setTimeout(() => this.#calm(), SURE_MS);
  }

  #calm(): void {
    delete this.#stop.dataset.sure;
    this.#label(this.#stop, 'stop', 'streamer.stop');
  }

  #show(state: PublisherState): void {
    this.root.dataset.state = state;
    // What never began has not ended.
    const isOver = state === PUBLISHER.ended && this.#publisher.stats?.liveSince !== undefined;
    this.#badge.setAttribute('state', BADGES[state === PUBLISHER.ended && !isOver ? PUBLISHER.idle : state]);
    const isOn = this.#isOn;
    const isLive = state === PUBLISHER.live || state === PUBLISHER.paused || state === PUBLISHER.reconnecting;
    this.#calm();
    this.#label(this.#start, 'camera', isOver ? 'streamer.again' : 'streamer.start');
    this.#label(
      this.#pause,
      state === PUBLISHER.paused ? 'play' : 'pause',
      state === PUBLISHER.paused ? 'streamer.resume' : 'streamer.pause',
    );
    this.#start.hidden = isOn;
    if (isLive) this.#keepKey();
    this.#nameField.hidden = isOn;
    this.#privateField.hidden = isOn;
    this.#pause.hidden = !isLive;
    this.#pause.disabled = state === PUBLISHER.reconnecting;
    this.#stop.hidden = !isOn;
    this.#share.hidden = !isLive;
    this.#numbers.hidden = !isLive && !isOver;
    this.#numbers.isOver = isOver;
    this.#audience.hidden = !isLive;
    this.#chat.hidden = !isLive;
    this.#settingsCard.open = !isLive;
    if (isOn) window.addEventListener('beforeunload', this.#warnBeforeLeaving);
    else window.removeEventListener('beforeunload', this.#warnBeforeLeaving);
    this.#messages.querySelector('.of-state')?.remove();
    if (state === PUBLISHER.reconnecting) this.#sayState('streamer.reconnecting');
    if (state === PUBLISHER.paused) this.#sayState('streamer.paused');
    if (state === PUBLISHER.ended) {
      // What was said of the way there is of no interest any more.
      for (const notice of this.#messages.querySelectorAll('.calm')) notice.remove();
      if (!this.#messages.querySelector('[role="alert"]')) this.#sayState('streamer.over');
    }
  }

  #tell(stats: PublishStats): void {
    this.#numbers.show(stats);
    this.#audience.show(stats);
  }

  #sayState(key: 'streamer.reconnecting' | 'streamer.paused' | 'streamer.over'): void {
    const box = h(
      'div',
      { class: 'message calm of-state', attributes: { role: 'status' } },
      icon('signal'),
      h('div', { text: key }),
    );
    this.#messages.prepend(box);
  }

  #sayProblem(problem: Problem): void {
    if (problem.kind === 'key-missing' || problem.kind === 'key-wrong') this.#askForKey();
    this.#say('problem', () => t(`problem.${problem.kind}`, { detail: problem.detail }), problem.kind);
  }

  #sayMicrophone(problem: Problem): void {
    const reason = () => t(`problem.${problem.kind}`, { detail: problem.detail });
    this.#say('notice', () => t('problem.microphone', { reason: reason() }), 'microphone');
  }

  #sayNotice(notice: Notice): void {
    switch (notice.kind) {
      case 'warning':
        this.#say(
          'notice',
          () => {
            if (notice.code === 'keyframes-far-apart') return t('notice.keyframes-far-apart');
            return notice.code === 'unreadable' ? t('notice.unreadable') : notice.message;
          },
          notice.code,
        );
        break;
      case 'mp4-only':
        this.#say('notice', () => t('notice.mp4-only'), 'mp4');
        break;
      case 'fell-back':
        this.#say('notice', () => t(`notice.fell-back.${notice.to === 'video' ? 'recorder' : 'pictures'}`), 'way');
        break;
      default:
        this.#say('notice', () => t(`notice.${notice.kind}`, { rate: bitrateText(notice.kilobits) }), 'bitrate');
    }
  }

  /** Shows a message; a newer one about the same thing takes its place. */
  #say(kind: 'problem' | 'notice', text: () => string, about: string): void {
    const box = messageBox(text, kind, () => box.remove());
    box.dataset.about = about;
    const before = [...this.#messages.children].find((child) => (child as HTMLElement).dataset.about === about);
    if (before) before.replaceWith(box);
    else this.#messages.append(box);
  }

  #clearMessages(): void {
    this.#messages.replaceChildren();
  }

  #button(id: string, look: string, press: () => void, label?: Parameters<typeof setText>[1]): HTMLButtonElement {
    const button = h('button', { class: `button ${look}`, id, attributes: { type: 'button' }, on: { click: press } });
    if (label) setText(button, label);
    return button;
  }

  #label(button: HTMLButtonElement, symbol: Parameters<typeof icon>[0], key: Parameters<typeof setText>[1]): void {
    const words = h('span');
    setText(words, key);
    button.replaceChildren(icon(symbol), words);
  }
}
