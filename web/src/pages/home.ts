// The home page: what is live now, and how to begin.

import '../ui/app-header.ts';
import '../ui/join-form.ts';
import '../ui/stream-list.ts';
import { icon } from '../ui/icon.ts';
import { h } from '../ui/markup.ts';
import { startPage } from './page.ts';
import './home.css';

startPage('home.title', { goLive: false }, [
  h(
    'section',
    { class: 'hero' },
    h(
      'div',
      { class: 'words' },
      h('h1', { text: 'home.headline' }),
      h('p', { class: 'lead quiet', text: 'home.lead' }),
      h(
        'a',
        { class: 'button primary big', id: 'go-live', attributes: { href: '/streamer.html' } },
        icon('camera'),
        h('span', { text: 'app.golive' }),
      ),
    ),
    h('div', { class: 'fan', attributes: { 'aria-hidden': 'true' } }),
  ),
  h(
    'section',
    { class: 'live', attributes: { 'aria-labelledby': 'live-heading' } },
    h('h2', { id: 'live-heading', text: 'home.live' }),
    document.createElement('stream-list'),
  ),
  h('section', { class: 'join card' }, document.createElement('join-form')),
]);
