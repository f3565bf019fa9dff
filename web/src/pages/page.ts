// What every page does first: theme, language, header, and its own content.

import type { TextKey } from '../i18n/es.ts';
import { language } from '../i18n/language.ts';
import { h, keepLocalized, setText } from '../ui/markup.ts';
import { applyTheme } from '../ui/theme.ts';
import '../ui/base.css';

/** Fills the page and gives back its `<main>`. */
export function startPage(title: TextKey, options: { goLive: boolean }, content: readonly Node[]): HTMLElement {
  applyTheme();
  const root = document.documentElement;
  keepLocalized(root, 'language', () => {
    root.lang = language();
  });
  const heading = document.querySelector('title');
  if (heading) setText(heading, title);
  const header = document.createElement('app-header');
  header.toggleAttribute('go-live', options.goLive);
  const main = h('main', { id: 'content', attributes: { tabindex: -1 } }, ...content);
  document.body.replaceChildren(h('header', {}, header), main);
  return main;
}
