// One live stream in a list: its newest picture, who, how many watch, since when.

import { sinceText, viewersText } from '../i18n/language.ts';
import { type LiveStream, posterUrl } from '../wire/streams.ts';
import { icon } from './icon.ts';
import { liveBadge } from './live-badge.ts';
import { h, keepLocalized, setLabel } from './markup.ts';
import './stream-card.css';

export class StreamCard extends HTMLElement {
  readonly #link = h('a', { class: 'link' });
  readonly #picture = h('div', { class: 'picture' });
  readonly #badge = liveBadge('live');
  readonly #name = h('h3');
  readonly #viewers = h('span');
  readonly #since = h('span', { class: 'since' });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.#picture.append(this.#badge);
    this.#link.append(
      this.#picture,
      h(
        'div',
        { class: 'facts' },
        this.#name,
        h('p', { class: 'small quiet' }, icon('users'), this.#viewers, this.#since),
      ),
    );
    this.append(this.#link);
  }

  show(stream: LiveStream): void {
    const { streamKey, streamerUsername: name } = stream;
    this.#link.href = `/watch/${encodeURIComponent(streamKey)}`;
    setLabel(this.#link, 'aria-label', 'home.watch', { name });
    this.#name.textContent = name;
    this.#badge.setAttribute('state', stream.paused ? 'paused' : 'live');
    keepLocalized(this.#viewers, 'text', () => {
      this.#viewers.textContent = viewersText(stream.viewerCount);
    });
    keepLocalized(this.#since, 'text', () => {
      this.#since.textContent = sinceText(Date.parse(stream.startedAt ?? stream.createdAt), Date.now());
    });
    if (stream.hasPoster !== false) this.#refreshPicture(streamKey);
  }

  /** Puts the new picture in place once it is there, so that nothing blinks. */
  #refreshPicture(streamKey: string): void {
    const next = h('img', { attributes: { alt: '' } });
    next.addEventListener('load', () => {
      this.#picture.querySelector('img')?.remove();
      this.#picture.prepend(next);
    });
    next.src = posterUrl(streamKey);
  }
}

customElements.define('stream-card', StreamCard);
