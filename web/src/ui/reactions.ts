// Reactions that rise over a picture.

import { h } from './markup.ts';

/** Those that float at the same time; more are not drawn. */
const FLOATING_MAX = 40;

export function rise(over: HTMLElement, emoji: string): void {
  if (document.hidden || over.childElementCount >= FLOATING_MAX) return;
  const one = h('span', {}, emoji);
  one.style.setProperty('--from', `${5 + Math.random() * 30}%`);
  one.style.setProperty('--sway', `${Math.random() * 60 - 30}px`);
  one.addEventListener('animationend', () => one.remove());
  over.append(one);
}
