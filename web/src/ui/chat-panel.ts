// Chat beside the picture. Text only: what a person typed is shown as text, whatever it looks like.
//
// A guest is asked for a name when there is something to say, not before; the wish comes up as the event `name`, and
// `setName` answers it.

import type { TextKey } from '../i18n/es.ts';
import type { Connection } from '../wire/connection.ts';
import { CONNECTION } from '../wire/connection-state.ts';
import type { ClientToServer, WireMessage } from '../wire/events.ts';
import { icon } from './icon.ts';
import { h, localized, setLabel, setText } from './markup.ts';
import './chat-panel.css';

/** Older lines are let go. */
const LINES_MAX = 200;
const MESSAGE_LENGTH_MAX = 2_000;
const NAME_LENGTH_MAX = 64;
/** Nearer to the end than this, the list follows what comes. */
const FOLLOW_PX = 60;

/** The server's own lines come in Spanish, as StreamHub's do; these are shown in the page's language. */
const COMINGS = [
  { pattern: /^(.+) se unió al stream$/s, key: 'chat.joined' },
  { pattern: /^(.+) salió del stream$/s, key: 'chat.left' },
] as const;

export interface ChatSetup {
  connection: Connection;
  streamKey: () => string | undefined;
  /** Whose messages are marked as the publisher's. */
  hostName: () => string | undefined;
  /** Puts buttons to keep order beside what others write: for the publisher. */
  isModerator?: boolean;
  /** Null for someone who writes under the connection's own name. */
  nameWish: { remembered: string; choose: (name: string) => Promise<void> } | null;
}

export class ChatPanel extends HTMLElement {
  readonly #list = h('ol', { class: 'lines', attributes: { role: 'log', 'aria-live': 'polite', tabindex: 0 } });
  readonly #empty = h('p', { class: 'empty quiet', text: 'chat.empty' });
  readonly #input = h('input', {
    class: 'input',
    attributes: { type: 'text', maxlength: MESSAGE_LENGTH_MAX, autocomplete: 'off', enterkeyhint: 'send' },
    labels: { placeholder: 'chat.placeholder', 'aria-label': 'chat.placeholder' },
  });
  readonly #problem = h('p', {
    class: 'small problem',
    attributes: { role: 'alert', hidden: true },
  });
  readonly #as = h('span', { class: 'small quiet as' });
  readonly #rename = h(
    'button',
    {
      class: 'rename',
      attributes: { type: 'button' },
      labels: { 'aria-label': 'chat.name.change', title: 'chat.name.change' },
    },
    icon('pen'),
  );
  readonly #who = h('div', { class: 'who', attributes: { hidden: true } }, this.#as, this.#rename);
  readonly #nameInput = h('input', {
    class: 'input',
    attributes: { type: 'text', maxlength: NAME_LENGTH_MAX, autocomplete: 'nickname', required: true },
    labels: { placeholder: 'chat.name.placeholder' },
  });
  readonly #nameForm = h(
    'form',
    { class: 'name-form', attributes: { hidden: true } },
    h('label', { class: 'field' }, h('span', { class: 'name', text: 'chat.name.prompt' }), this.#nameInput),
    h('button', { class: 'button primary', attributes: { type: 'submit' }, text: 'chat.name.ok' }),
  );
  readonly #form = h(
    'form',
    { class: 'write' },
    this.#input,
    h(
      'button',
      { class: 'button primary round', attributes: { type: 'submit' }, labels: { 'aria-label': 'chat.send' } },
      icon('send'),
    ),
  );
  #setup: ChatSetup | undefined;
  #stops: (() => void)[] = [];
  #hasName = false;

  constructor() {
    super();
    setLabel(this.#list, 'aria-label', 'chat.title');
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#nameForm.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#chooseName();
    });
    this.#rename.addEventListener('click', () => this.#askName());
  }

  connectedCallback(): void {
    this.replaceChildren(
      h('h2', { text: 'chat.title' }),
      this.#list,
      this.#empty,
      this.#problem,
      this.#nameForm,
      this.#who,
      this.#form,
    );
  }

  disconnectedCallback(): void {
    for (const stop of this.#stops) stop();
  }

  attach(setup: ChatSetup): void {
    for (const stop of this.#stops) stop();
    this.#setup = setup;
    this.#hasName = setup.nameWish === null;
    this.#nameInput.value = setup.nameWish?.remembered ?? '';
    this.#stops = [
      setup.connection.on('chat:message:broadcast', ({ message }) => this.#show(message)),
      setup.connection.on('chat:message:removed', ({ messageId }) => this.#forget(messageId)),
      setup.connection.watch((state) => {
        if (state === CONNECTION.online) this.#problem.hidden = true;
      }),
    ];
  }

  /** Shows under which name one writes. */
  setName(name: string): void {
    this.#hasName = true;
    this.#as.replaceChildren(localized('chat.as', { name }));
    this.#who.hidden = this.#setup?.nameWish === null;
  }

  #submit(): void {
    const content = this.#input.value.trim();
    const streamKey = this.#setup?.streamKey();
    if (!content || !this.#setup || !streamKey) return;
    if (!this.#hasName) {
      this.#askName();
      return;
    }
    const sent = this.#setup.connection.send('chat:message:send', { streamKey, content });
    setText(this.#problem, 'chat.offline');
    this.#problem.hidden = sent;
    if (sent) this.#input.value = '';
  }

  #askName(): void {
    this.#nameForm.hidden = false;
    this.#form.hidden = true;
    this.#who.hidden = true;
    this.#nameInput.focus();
  }

  async #chooseName(): Promise<void> {
    const name = this.#nameInput.value.trim();
    const wish = this.#setup?.nameWish;
    if (!name || !wish) return;
    try {
      await wish.choose(name);
    } catch (error) {
      setText(this.#problem, 'problem.refused', { detail: error instanceof Error ? error.message : '' });
      this.#problem.hidden = false;
      return;
    }
    this.#problem.hidden = true;
    this.#nameForm.hidden = true;
    this.#form.hidden = false;
    this.setName(name);
    this.#input.focus();
    this.#submit();
  }

  #show(message: WireMessage): void {
    const isFollowing = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < FOLLOW_PX;
    this.#list.append(message.type === 'SYSTEM' ? systemLine(message.content) : this.#line(message));
    while (this.#list.childElementCount > LINES_MAX) this.#list.firstElementChild?.remove();
    this.#empty.hidden = true;
    if (isFollowing) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #forget(messageId: string): void {
    const line = [...this.#list.children].find((child) => (child as HTMLElement).dataset.message === messageId);
    line?.replaceChildren(h('span', { class: 'quiet', text: 'chat.removed' }));
  }

  /** What its publisher can do about a message and who wrote it. */
  #orders(message: WireMessage): HTMLElement {
    const send = <E extends 'chat:message:remove' | 'viewer:silence' | 'viewer:remove'>(
      event: E,
      more: Omit<Parameters<ClientToServer[E]>[0], 'streamKey'>,
    ) => {
      const streamKey = this.#setup?.streamKey();
      if (!streamKey) return;
      const payload = [{ streamKey, ...more }] as unknown as Parameters<ClientToServer[E]>;
      this.#setup?.connection.send(event, ...payload);
    };
    const { id, userId } = message;
    return h(
      'span',
      { class: 'orders' },
      order('chat.remove', () => send('chat:message:remove', { messageId: id })),
      order('chat.silence', () => send('viewer:silence', { userId, silenced: true })),
      order('chat.put-out', () => send('viewer:remove', { userId })),
    );
  }

  #line(message: WireMessage): HTMLLIElement {
    const isHost = message.username === this.#setup?.hostName();
    const name = h('b', { class: 'who-said' }, message.username);
    name.style.setProperty('--hue', String(hueOf(message.username)));
    return h(
      'li',
      { attributes: { 'data-message': message.id } },
      name,
      isHost && h('span', { class: 'host', text: 'chat.host' }),
      h('span', { class: 'content' }, message.content),
      this.#setup?.isModerator && !isHost && this.#orders(message),
    );
  }
}

function order(text: TextKey, press: () => void): HTMLButtonElement {
  return h('button', { class: 'order', attributes: { type: 'button' }, text, on: { click: press } });
}

function systemLine(content: string): HTMLLIElement {
  for (const { pattern, key } of COMINGS) {
    const name = pattern.exec(content)?.[1];
    if (name !== undefined) return h('li', { class: 'system', text: key, values: { name } });
  }
  return h('li', { class: 'system' }, content);
}

/** The same name always has the same colour. */
function hueOf(name: string): number {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return hash;
}

customElements.define('chat-panel', ChatPanel);
