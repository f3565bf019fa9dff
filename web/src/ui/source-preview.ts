// What the publisher's viewers will see, and what there is to say about it.

import type { TextKey } from '../i18n/es.ts';
import { h, localized } from './markup.ts';
import './source-preview.css';

export class SourcePreview extends HTMLElement {
  readonly video = h('video', {
    attributes: { playsinline: true, autoplay: true, tabindex: -1 },
    labels: { 'aria-label': 'streamer.preview' },
  });
  readonly corner = h('div', { class: 'corner' });
  readonly #said = h('div', { class: 'said', attributes: { role: 'status' } });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.video.muted = true;
    this.append(this.video, this.#said, this.corner);
  }

  /** Shows a stream; mirrored, as people know themselves from a mirror. */
  show(stream: MediaStream, mirrored: boolean): void {
    this.#said.replaceChildren();
    this.classList.toggle('mirrored', mirrored);
    this.video.srcObject = stream;
    void this.video.play().catch(() => {});
  }

  /** Shows words in place of a picture. */
  say(key: TextKey, ...more: Node[]): void {
    this.video.srcObject = null;
    this.#said.replaceChildren(h('p', {}, localized(key)), ...more);
  }
}

customElements.define('source-preview', SourcePreview);
