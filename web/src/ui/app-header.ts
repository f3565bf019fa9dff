// The top of every page: the fan, the way to go live, language and theme.

import { LANGUAGES, language, setLanguage } from '../i18n/language.ts';
import { icon } from './icon.ts';
import { h } from './markup.ts';
import { segmentedChoice } from './segmented-choice.ts';
import { setTheme, theme } from './theme.ts';
import './app-header.css';

export class AppHeader extends HTMLElement {
  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    const languages = segmentedChoice(
      'app.language',
      LANGUAGES.map((value) => ({ value, label: { plain: value.toUpperCase() } })),
      language(),
      setLanguage,
    );
    const themes = segmentedChoice(
      'app.theme',
      [
        { value: 'auto', label: 'app.theme.auto', icon: 'auto', iconOnly: true },
        { value: 'light', label: 'app.theme.light', icon: 'sun', iconOnly: true },
        { value: 'dark', label: 'app.theme.dark', icon: 'moon', iconOnly: true },
      ],
      theme(),
      setTheme,
    );
    const goLive = h(
      'a',
      { class: 'button primary go-live', attributes: { href: '/streamer.html' } },
      icon('camera'),
      h('span', { text: 'app.golive' }),
    );
    this.replaceChildren(
      h('a', { class: 'skip-link', text: 'app.skip', attributes: { href: '#content' } }),
      h(
        'a',
        { class: 'brand', attributes: { href: '/' }, labels: { 'aria-label': 'app.home' } },
        h('img', { attributes: { src: '/favicon.svg', alt: '', width: 34, height: 34 } }),
        h('span', {}, 'Abanico'),
      ),
      h('div', { class: 'switches' }, languages, themes),
      ...(this.hasAttribute('go-live') ? [goLive] : []),
    );
  }
}

customElements.define('app-header', AppHeader);
