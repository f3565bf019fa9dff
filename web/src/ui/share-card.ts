// The link to share, to copy or to photograph.

import { correction, generate } from 'lean-qr';
import { type CopyButton, copyButton } from './copy-button.ts';
import { h, setLabel } from './markup.ts';
import './share-card.css';

export class ShareCard extends HTMLElement {
  readonly #link = h('a', { class: 'link', attributes: { target: '_blank', rel: 'noopener' } });
  readonly #copy: CopyButton = copyButton('');
  readonly #code = h('canvas', { class: 'code', attributes: { role: 'img' } });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    setLabel(this.#code, 'aria-label', 'streamer.share.qr');
    setLabel(this.#link, 'aria-label', 'streamer.share.link');
    this.append(
      h('h2', { text: 'streamer.share' }),
      h(
        'div',
        { class: 'row' },
        this.#code,
        h(
          'div',
          { class: 'words' },
          h('p', { class: 'small quiet', text: 'streamer.share.hint' }),
          this.#link,
          this.#copy,
        ),
      ),
    );
  }

  show(url: string): void {
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
