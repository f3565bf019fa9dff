// How loud the microphone is: `level` from 0 to 1.

import { setLabel } from './markup.ts';
import './level-bar.css';

export class LevelBar extends HTMLElement {
  connectedCallback(): void {
    this.setAttribute('role', 'meter');
    this.setAttribute('aria-valuemin', '0');
    this.setAttribute('aria-valuemax', '100');
    setLabel(this, 'aria-label', 'streamer.microphone.level');
    this.level = 0;
  }

  set level(value: number) {
    const percent = Math.round(value * 100);
    this.style.setProperty('--level', `${percent}%`);
    this.setAttribute('aria-valuenow', String(percent));
  }
}

customElements.define('level-bar', LevelBar);
