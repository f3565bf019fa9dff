// Something that a person should know, in plain words, until it is put away.

import { type IconName, icon } from './icon.ts';
import { h, keepLocalized } from './markup.ts';

export function messageBox(text: () => string, kind: 'problem' | 'notice', putAway: () => void): HTMLElement {
  const words = h('div');
  keepLocalized(words, 'text', () => {
    words.textContent = text();
  });
  const symbol: IconName = kind === 'problem' ? 'warning' : 'signal';
  const close = h(
    'button',
    {
      class: 'button plain round',
      attributes: { type: 'button' },
      labels: { 'aria-label': 'app.close' },
      on: { click: putAway },
    },
    icon('close'),
  );
  return h(
    'div',
    {
      class: kind === 'problem' ? 'message' : 'message calm',
      attributes: { role: kind === 'problem' ? 'alert' : 'status' },
    },
    icon(symbol),
    words,
    close,
  );
}
