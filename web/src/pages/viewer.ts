// The viewer page: opens from a link and plays, asking nothing. Chat and reactions beside it.

import '../ui/app-header.ts';
import '../ui/chat-panel.ts';
import '../ui/join-form.ts';
import '../ui/reaction-bar.ts';
import '../ui/reception-line.ts';
import '../ui/watch-ways.ts';
import '../ui/abanico-player.ts';
import { t, viewersText } from '../i18n/language.ts';
import { type Delivery, deliveryFrom } from '../peer/delivery.ts';
import { PLAYER, type PlayerState } from '../player/player-state.ts';
import { type Transport, transportFrom } from '../player/transport.ts';
import type { WatchStats } from '../player/watch-numbers.ts';
import type { AbanicoPlayer } from '../ui/abanico-player.ts';
import type { ChatPanel } from '../ui/chat-panel.ts';
import { copyButton } from '../ui/copy-button.ts';
import { icon } from '../ui/icon.ts';
import { type BadgeState, liveBadge } from '../ui/live-badge.ts';
import { h, keepLocalized, setText } from '../ui/markup.ts';
import type { PlayerEvents } from '../ui/player-attributes.ts';
import type { ReceptionLine } from '../ui/reception-line.ts';
import type { WatchWays } from '../ui/watch-ways.ts';
import { Connection } from '../wire/connection.ts';
import { preference, shortTag, tabName, watchTokens } from '../wire/identity.ts';
import { keyFrom, watchUrl } from '../wire/streams.ts';
import { startPage } from './page.ts';
import './viewer.css';

const BADGES: Record<PlayerState, BadgeState> = {
  // Whoever watches has paused it.
  [PLAYER.idle]: 'paused',
  [PLAYER.connecting]: 'connecting',
  [PLAYER.waiting]: 'live',
  [PLAYER.playing]: 'live',
  [PLAYER.paused]: 'paused',
  [PLAYER.lost]: 'reconnecting',
  [PLAYER.reconnecting]: 'reconnecting',
  [PLAYER.ended]: 'ended',
  [PLAYER.notFound]: 'offline',
  [PLAYER.unplayable]: 'live',
};

const key = keyFrom(location.pathname + location.search);
if (key) {
  watchTokens.takeFrom(location, key);
  watchPage(key);
} else askForKey();

function askForKey(): void {
  startPage('viewer.title', { goLive: true }, [
    h(
      'section',
      { class: 'ask card' },
      h('h1', { text: 'viewer.nokey.title' }),
      h('p', { class: 'quiet', text: 'viewer.nokey.text' }),
      document.createElement('join-form'),
      h('a', { class: 'button', attributes: { href: '/' }, text: 'viewer.golive' }),
    ),
  ]);
}

function watchPage(firstKey: string): void {
  let streamKey = firstKey;
  let hostName: string | undefined;
  let viewers = 0;
  const chosenName = tabName.get();
  const connection = new Connection(chosenName ?? t('viewer.guest', { tag: shortTag() }), 'VIEWER');

  const player = document.createElement('abanico-player') as AbanicoPlayer;
  for (const attribute of ['controls', 'muted']) player.toggleAttribute(attribute, true);
  // What the link says counts, then what was chosen before.
  const wished = new URLSearchParams(location.search);
  for (const wish of ['transport', 'delivery', 'painter']) {
    const value = wished.get(wish) ?? preference.get(`watch.${wish}`);
    if (value) player.setAttribute(wish, value);
  }
  const chat = document.createElement('chat-panel') as ChatPanel;
  chat.className = 'card';
  const reception = document.createElement('reception-line') as ReceptionLine;
  const ways = document.createElement('watch-ways') as WatchWays;
  ways.offer(player.delivery, player.transport);
  const reactions = document.createElement('reaction-bar');
  const badge = liveBadge('connecting');
  const name = h('h1', { class: 'host-name' }, '…');
  const count = h('span', { id: 'viewer-count' });
  const showCount = () =>
    keepLocalized(count, 'text', () => {
      count.textContent = viewersText(viewers);
      count.dataset.count = String(viewers);
    });
  const copy = copyButton(watchUrl(streamKey), 'viewer.share');

  const elsewhere = h('a', { class: 'button elsewhere', attributes: { href: '/' }, text: 'viewer.golive' });
  const page = h(
    'div',
    { class: 'watch' },
    h(
      'section',
      { class: 'picture' },
      player,
      h(
        'div',
        { class: 'about' },
        h(
          'div',
          { class: 'title' },
          h('div', { class: 'badges' }, badge, h('span', { class: 'viewers' }, icon('users'), count)),
          name,
        ),
        h('div', { class: 'actions' }, reactions, copy, elsewhere),
      ),
      reception,
      ways,
    ),
    chat,
  );
  startPage('viewer.title', { goLive: true }, [page]);
  showCount();

  const listen = <E extends keyof PlayerEvents>(event: E, then: (detail: PlayerEvents[E]) => void) =>
    player.addEventListener(event, (e) => then((e as CustomEvent<PlayerEvents[E]>).detail));
  listen('statechange', (state) => {
    badge.setAttribute('state', BADGES[state]);
    page.dataset.state = state;
  });
  listen('stats', (stats: WatchStats) => reception.show(stats));
  listen('fallback', ({ failure }) => reception.explain(failure));
  listen('stream', ({ stream, streamerUsername }) => {
    viewers = stream.viewerCount;
    showCount();
    if (streamerUsername === undefined) return;
    hostName = streamerUsername;
    name.textContent = streamerUsername;
    const title = document.querySelector('title');
    if (title) setText(title, 'viewer.title.named', { name: streamerUsername });
  });
  listen('next', (next) => {
    player.announceNext();
    streamKey = next;
    copy.value = watchUrl(next);
    history.replaceState(null, '', `/watch/${encodeURIComponent(next)}`);
    player.watch(connection, next);
  });

  ways.addEventListener('deliver', (event) => {
    const delivery: Delivery = deliveryFrom((event as CustomEvent<string>).detail);
    preference.set('watch.delivery', delivery);
    player.delivery = delivery;
  });
  ways.addEventListener('transport', (event) => {
    const transport: Transport = transportFrom((event as CustomEvent<string>).detail);
    preference.set('watch.transport', transport);
    player.transport = transport;
    reception.forget();
  });

  connection.on('viewer:count:update', ({ viewerCount }) => {
    viewers = viewerCount;
    showCount();
  });
  connection.on('reaction:broadcast', ({ reaction }) => player.react(reaction.emoji));
  reactions.addEventListener('react', (event) => {
    connection.send('reaction:send', { streamKey, emoji: (event as CustomEvent<string>).detail });
  });
  chat.attach({
    connection,
    streamKey: () => streamKey,
    hostName: () => hostName,
    nameWish: {
      remembered: chosenName ?? preference.get('name') ?? '',
      choose: async (wished) => {
        await connection.rename(wished);
        tabName.set(wished);
        preference.set('name', wished);
      },
    },
  });
  if (chosenName) chat.setName(chosenName);

  player.watch(connection, streamKey);
  connection.open();
}
