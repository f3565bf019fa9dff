// Who watches by which way, and what each way costs the publisher's uplink: fixed through the server, however many watch;
// once more for each who is served straight from this page.

import { bitrateText, t } from '../i18n/language.ts';
import type { PeerViewer } from '../publish/peer-audience.ts';
import type { PublishStats } from '../publish/publish-numbers.ts';
import { type IconName, icon } from './icon.ts';
import { h, keepLocalized } from './markup.ts';
import './audience-card.css';

/** Names told of those who watch through the server; the others are counted. */
const NAMES_MAX = 12;
/** Names that are remembered: in a larger room the server tells none. */
const REMEMBERED_MAX = 200;

export class AudienceCard extends HTMLElement {
  readonly #central = this.#way('central', 'server');
  readonly #direct = this.#way('p2p', 'peers');
  readonly #list = h('ul', { class: 'peers' });
  readonly #total = h('p', { class: 'small quiet total digits' });
  /** Who came, as often as under the same name. */
  readonly #names = new Map<string, number>();
  #stats: PublishStats | undefined;

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.append(h('h2', { text: 'audience' }), this.#central.row, this.#direct.row, this.#list, this.#total);
    keepLocalized(this, 'numbers', () => this.#draw());
  }

  came(name: string): void {
    if (this.#names.size < REMEMBERED_MAX) this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
  }

  left(name: string): void {
    const count = this.#names.get(name) ?? 0;
    if (count > 1) this.#names.set(name, count - 1);
    else this.#names.delete(name);
  }

  show(stats: PublishStats): void {
    this.#stats = stats;
    this.#draw();
  }

  #draw(): void {
    const stats = this.#stats;
    if (!stats) return;
    const peers = stats.peers.filter(({ phase }) => phase === 'connected' || phase === 'leaving');
    // Whom the server sends the picture as well is served both ways: StreamHub's pages, which do not look at it.
    const resting = peers.filter((peer) => peer.central === 'rests').length;
    const central = Math.max(0, stats.viewers - resting);
    const peerKilobits = peers.reduce((sum, { bitsPerSecond }) => sum + bitsPerSecond, 0) / 1_000;
    this.dataset.central = String(central);
    this.dataset.peers = String(peers.length);
    this.#central.count.textContent = String(central);
    this.#central.rate.textContent = t('audience.fixed', { rate: bitrateText(stats.kilobitsPerSecond) });
    this.#central.names.textContent = this.#namesOfOthers(peers, central);
    this.#direct.count.textContent = String(peers.length);
    this.#direct.rate.textContent = peers.length > 0 ? bitrateText(peerKilobits) : '–';
    this.#list.hidden = stats.peers.length === 0;
    this.#list.replaceChildren(...stats.peers.map((peer) => this.#peer(peer)));
    this.#total.textContent = t('audience.total', { rate: bitrateText(stats.kilobitsPerSecond + peerKilobits) });
  }

  #peer({ name, central, phase, bitsPerSecond }: PeerViewer): HTMLElement {
    const direct = phase === 'connected' ? bitrateText(bitsPerSecond / 1_000) : t(`audience.phase.${phase}`);
    const said = central === 'sent' ? `${direct} + ${t('audience.central')}` : direct;
    return h(
      'li',
      { attributes: { 'data-phase': phase } },
      h('span', { class: 'name' }, name ?? t('audience.nameless')),
      h('span', { class: 'digits quiet' }, said),
    );
  }

  /** Those whose names are known and whom the server sends the picture. */
  #namesOfOthers(peers: readonly PeerViewer[], count: number): string {
    const names = new Map(this.#names);
    for (const { name, central } of peers) {
      const left = name === undefined ? 0 : (names.get(name) ?? 0);
      if (name !== undefined && left > 0 && central !== 'sent') names.set(name, left - 1);
    }
    const known = [...names].flatMap(([name, times]) => Array<string>(times).fill(name)).slice(0, NAMES_MAX);
    const more = count - known.length;
    if (known.length === 0 || more < 0) return known.slice(0, Math.max(0, count)).join(', ');
    return more > 0 ? t('audience.more', { names: known.join(', '), count: more }) : known.join(', ');
  }

  #way(kind: 'central' | 'p2p', symbol: IconName) {
    const count = h('b', { class: 'digits count' }, '0');
    const rate = h('span', { class: 'digits quiet rate' }, '–');
    const names = h('span', { class: 'small quiet names' });
    const row = h(
      'div',
      { class: 'way', attributes: { 'data-way': kind } },
      icon(symbol),
      h('span', { class: 'label', text: `audience.${kind}` }),
      count,
      rate,
      names,
    );
    return { row, count, rate, names };
  }
}

customElements.define('audience-card', AudienceCard);
