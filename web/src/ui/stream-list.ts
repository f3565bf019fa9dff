// What is live now, kept up to date while the page is seen. Empty, it invites.

import { fetchStreams, type LiveStream } from '../wire/streams.ts';
import { h, setText } from './markup.ts';
import type { StreamCard } from './stream-card.ts';
import './stream-card.ts';
import './stream-list.css';

const REFRESH_MS = 4_000;
const GIVE_UP_MS = 8_000;

export class StreamList extends HTMLElement {
  readonly #cards = new Map<string, StreamCard>();
  readonly #grid = h('div', { class: 'grid' });
  readonly #message = h('p', { class: 'message calm', attributes: { role: 'status', hidden: true } });
  readonly #empty = h(
    'div',
    { class: 'empty', attributes: { hidden: true } },
    h('h3', { text: 'home.empty.title' }),
    h('p', { class: 'quiet', text: 'home.empty.text' }),
  );
  #timer: number | undefined;
  readonly #visibility = () => this.#restart();

  connectedCallback(): void {
    this.replaceChildren(this.#message, this.#grid, this.#empty);
    document.addEventListener('visibilitychange', this.#visibility);
    this.#restart();
  }

  disconnectedCallback(): void {
    document.removeEventListener('visibilitychange', this.#visibility);
    clearTimeout(this.#timer);
  }

  #restart(): void {
    clearTimeout(this.#timer);
    if (!document.hidden) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    try {
      this.#show(await fetchStreams(AbortSignal.timeout(GIVE_UP_MS)));
    } catch {
      setText(this.#message, 'home.unreachable');
      this.#message.hidden = false;
    }
    clearTimeout(this.#timer);
    if (this.isConnected && !document.hidden) this.#timer = window.setTimeout(() => void this.#refresh(), REFRESH_MS);
  }

  #show(streams: readonly LiveStream[]): void {
    this.#message.hidden = true;
    this.#empty.hidden = streams.length > 0;
    this.dataset.count = String(streams.length);
    const gone = new Set(this.#cards.keys());
    streams.forEach((stream, i) => {
      gone.delete(stream.streamKey);
      let card = this.#cards.get(stream.streamKey);
      if (!card) {
        card = document.createElement('stream-card') as StreamCard;
        this.#cards.set(stream.streamKey, card);
      }
      if (this.#grid.children[i] !== card) this.#grid.insertBefore(card, this.#grid.children[i] ?? null);
      card.show(stream);
    });
    for (const key of gone) {
      this.#cards.get(key)?.remove();
      this.#cards.delete(key);
    }
  }
}

customElements.define('stream-list', StreamList);
