// How a viewer gets the picture: automatically, through the server or straight from the publisher; and how it comes through
// the server. Says `deliver` and `transport` with the value.

import { DELIVERIES, type Delivery } from '../peer/delivery.ts';
import { TRANSPORTS, type Transport } from '../player/transport.ts';
import { h, localized } from './markup.ts';
import { segmentedChoice } from './segmented-choice.ts';
import './watch-ways.css';

export class WatchWays extends HTMLElement {
  readonly #transport = h('select', { class: 'input' });

  offer(delivery: Delivery, transport: Transport): this {
    const say = (name: string, detail: string) => this.dispatchEvent(new CustomEvent(name, { detail }));
    const ways = segmentedChoice(
      'viewer.delivery',
      DELIVERIES.map((value) => ({ value, label: `delivery.${value}` as const })),
      delivery,
      (value) => {
        this.dataset.delivery = value;
        say('deliver', value);
      },
    );
    this.dataset.delivery = delivery;
    this.#transport.replaceChildren(
      ...TRANSPORTS.map((value) => h('option', { attributes: { value } }, localized(`viewer.transport.${value}`))),
    );
    this.#transport.value = transport;
    this.#transport.addEventListener('change', () => say('transport', this.#transport.value));
    this.replaceChildren(
      h('div', { class: 'way' }, h('span', { class: 'quiet', text: 'viewer.delivery' }), ways),
      h('label', { class: 'central' }, h('span', { class: 'quiet', text: 'viewer.transport' }), this.#transport),
    );
    return this;
  }
}

customElements.define('watch-ways', WatchWays);
