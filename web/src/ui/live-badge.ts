// One word about a stream, with a light: `state` says which.

import type { TextKey } from '../i18n/es.ts';
import { setText } from './markup.ts';
import './live-badge.css';

export const BADGE = {
  live: 'badge.live',
  paused: 'badge.paused',
  ended: 'badge.ended',
  connecting: 'badge.connecting',
  reconnecting: 'badge.reconnecting',
  offline: 'badge.offline',
} as const satisfies Record<string, TextKey>;
export type BadgeState = keyof typeof BADGE;

export class LiveBadge extends HTMLElement {
  static readonly observedAttributes = ['state'];

  attributeChangedCallback(): void {
    const state = this.getAttribute('state');
    if (state && state in BADGE) setText(this, BADGE[state as BadgeState]);
  }
}

customElements.define('live-badge', LiveBadge);

export function liveBadge(state: BadgeState): LiveBadge {
  const badge = document.createElement('live-badge') as LiveBadge;
  badge.setAttribute('state', state);
  return badge;
}
