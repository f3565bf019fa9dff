// A row of reactions to send; says `react` with the emoji.

import { h, setLabel } from './markup.ts';
import './reaction-bar.css';

export const REACTIONS = ['👏', '❤️', '😂', '😮', '🔥', '👋'] as const;

export class ReactionBar extends HTMLElement {
  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.setAttribute('role', 'group');
    setLabel(this, 'aria-label', 'reactions.title');
    for (const emoji of REACTIONS) {
      const button = h(
        'button',
        {
          attributes: { type: 'button' },
          on: { click: () => this.dispatchEvent(new CustomEvent('react', { detail: emoji })) },
        },
        emoji,
      );
      setLabel(button, 'aria-label', 'reactions.send', { emoji });
      this.append(button);
    }
  }
}

customElements.define('reaction-bar', ReactionBar);
