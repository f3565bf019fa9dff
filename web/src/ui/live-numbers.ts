// What a publisher wants to know while live: who watches, what goes out, what was left out, how long already.

import type { TextKey } from '../i18n/es.ts';
import { bitrateText, elapsedText, language } from '../i18n/language.ts';
import type { PublishStats } from '../publish/publish-numbers.ts';
import { h, setText } from './markup.ts';
import './live-numbers.css';

const NUMBERS = {
  viewers: 'streamer.numbers.viewers',
  elapsed: 'streamer.numbers.elapsed',
  uplink: 'streamer.numbers.uplink',
  sent: 'streamer.numbers.pictures',
  dropped: 'streamer.numbers.dropped',
} as const satisfies Record<string, TextKey>;
type Name = keyof typeof NUMBERS;

export class LiveNumbers extends HTMLElement {
  readonly #values = new Map<Name, HTMLElement>();
  readonly #heading = h('h2', { text: 'streamer.numbers' });
  readonly #sentLabel = h('dt', { text: NUMBERS.sent });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    const list = h('dl');
    for (const name of Object.keys(NUMBERS) as Name[]) {
      const value = h('dd', { class: 'digits', attributes: { 'data-number': name } }, '–');
      this.#values.set(name, value);
      list.append(h('div', {}, name === 'sent' ? this.#sentLabel : h('dt', { text: NUMBERS[name] }), value));
    }
    this.append(this.#heading, list);
  }

  /** The stream has ended: what is only true at one moment is left out. */
  set isOver(isOver: boolean) {
    this.toggleAttribute('over', isOver);
    setText(this.#heading, isOver ? 'streamer.numbers.over' : 'streamer.numbers');
  }

  show(stats: PublishStats): void {
    setText(this.#sentLabel, stats.way === 'video' ? 'streamer.numbers.chunks' : 'streamer.numbers.pictures');
    const whole = (value: number) => value.toLocaleString(language());
    this.#put('viewers', whole(stats.viewers));
    this.#put('elapsed', stats.liveSince === undefined ? '–' : elapsedText(Date.now() - stats.liveSince));
    this.#put('uplink', bitrateText(stats.kilobitsPerSecond));
    this.#put('sent', whole(stats.sent));
    this.#put('dropped', whole(stats.dropped));
    this.dataset.way = stats.way;
    if (stats.codec) this.dataset.codec = stats.codec;
    else delete this.dataset.codec;
    this.dataset.viewers = String(stats.viewers);
    this.dataset.sent = String(stats.sent);
    this.dataset.dropped = String(stats.dropped);
  }

  #put(name: Name, text: string): void {
    const element = this.#values.get(name);
    if (element && element.textContent !== text) element.textContent = text;
  }
}

customElements.define('live-numbers', LiveNumbers);
