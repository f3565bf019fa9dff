// Copies its `value` and says so.

import type { TextKey } from '../i18n/es.ts';
import { icon } from './icon.ts';
import { h, localized } from './markup.ts';

const SAID_FOR_MS = 2_000;

export class CopyButton extends HTMLElement {
  value = '';
  label: TextKey = 'app.copy';
  #timer: number | undefined;

  connectedCallback(): void {
    if (this.childElementCount === 0) this.#show(false);
  }

  #show(copied: boolean): void {
    const button = h(
      'button',
      { class: 'button', attributes: { type: 'button' }, on: { click: () => void this.#copy() } },
      icon(copied ? 'check' : 'copy'),
      h('span', { attributes: { 'aria-live': 'polite' } }, localized(copied ? 'app.copied' : this.label)),
    );
    const hadFocus = this.contains(document.activeElement);
    this.replaceChildren(button);
    if (hadFocus) button.focus();
  }

  async #copy(): Promise<void> {
    if (!(await writeClipboard(this.value))) return;
    this.#show(true);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#show(false), SAID_FOR_MS);
  }
}

/** The clipboard needs a secure context; on a plain LAN address the old way still works. */
async function writeClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h('textarea', { class: 'out-of-sight', attributes: { readonly: true } });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}

customElements.define('copy-button', CopyButton);

export function copyButton(value: string, label: TextKey = 'app.copy'): CopyButton {
  const button = document.createElement('copy-button') as CopyButton;
  button.label = label;
  button.value = value;
  return button;
}
