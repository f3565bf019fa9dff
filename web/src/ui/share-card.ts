// The link to share, to copy or to photograph.

import { correction, generate } from 'lean-qr';
import type { ViewLink } from '../wire/streams.ts';
import { type CopyButton, copyButton } from './copy-button.ts';
import { h, setLabel, setText } from './markup.ts';
import './share-card.css';

/** Seats of a link, unless another number is typed. */
const SEATS = 10;
const SEATS_MAX = 100_000;

export class ShareCard extends HTMLElement {
  readonly #link = h('a', { class: 'link', attributes: { target: '_blank', rel: 'noopener' } });
  readonly #copy: CopyButton = copyButton('');
  readonly #row = h('div', { class: 'row' });
  readonly #seats = h('input', {
    class: 'input',
    attributes: { type: 'number', min: 1, max: SEATS_MAX, value: SEATS, required: true },
  });
  readonly #expires = h(
    'select',
    { class: 'input' },
    h('option', { attributes: { value: '1h' }, text: 'streamer.private.hour' }),
    h('option', { attributes: { value: '1day' }, text: 'streamer.private.day' }),
    h('option', { attributes: { value: '' }, text: 'streamer.private.stream' }),
  );
  readonly #form = h(
    'form',
    {
      class: 'links',
      attributes: { hidden: true },
      on: {
        submit: (event) => {
          event.preventDefault();
          void this.#makeLink();
        },
      },
    },
    h('p', { class: 'small quiet', text: 'streamer.private.hint' }),
    h('label', { class: 'field' }, h('span', { class: 'name', text: 'streamer.private.expires' }), this.#expires),
    h('label', { class: 'field' }, h('span', { class: 'name', text: 'streamer.private.seats' }), this.#seats),
    h('button', { class: 'button', attributes: { type: 'submit' }, text: 'streamer.private.make' }),
  );
  readonly #told = h('p', { class: 'small told', attributes: { role: 'status', hidden: true } });
  #make: ((wish: { seats: number; expires?: string }) => Promise<ViewLink>) | undefined;
  readonly #code = h('canvas', { class: 'code', attributes: { role: 'img' } });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    setLabel(this.#code, 'aria-label', 'streamer.share.qr');
    setLabel(this.#link, 'aria-label', 'streamer.share.link');
    this.#row.append(
      this.#code,
      h(
        'div',
        { class: 'words' },
        h('p', { class: 'small quiet', text: 'streamer.share.hint' }),
        this.#link,
        this.#copy,
      ),
    );
    this.append(h('h2', { text: 'streamer.share' }), this.#form, this.#told, this.#row);
  }

  /** A private stream has no address for everybody: links are made here, one after the other. */
  showPrivate(make: (wish: { seats: number; expires?: string }) => Promise<ViewLink>): void {
    this.#make = make;
    this.#row.hidden = true;
    this.#form.hidden = false;
    this.#told.hidden = true;
    delete this.dataset.url;
  }

  async #makeLink(): Promise<void> {
    const { value } = this.#expires;
    const wish = { seats: this.#seats.valueAsNumber, ...(value ? { expires: value } : {}) };
    try {
      const link = await this.#make?.(wish);
      if (!link) return;
      this.#showLink(link.url);
      setText(this.#told, 'streamer.private.made', { seats: String(link.seats) });
    } catch (error) {
      setText(this.#told, 'problem.refused', { detail: error instanceof Error ? error.message : '' });
    }
    this.#told.hidden = false;
  }

  show(url: string): void {
    this.#form.hidden = true;
    this.#showLink(url);
  }

  #showLink(url: string): void {
    this.#row.hidden = false;
    this.#link.href = url;
    this.#link.textContent = url.replace(/^https?:\/\//, '');
    this.#copy.value = url;
    this.dataset.url = url;
    // Always dark on light, with a quiet margin: phones read nothing else reliably.
    generate(url, { minCorrectionLevel: correction.M }).toCanvas(this.#code, {
      on: [0x23, 0x1b, 0x22, 0xff],
      off: [0xff, 0xff, 0xff, 0xff],
      padX: 2,
      padY: 2,
    });
  }
}

customElements.define('share-card', ShareCard);
