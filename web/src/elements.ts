// The elements for anybody's page: `<abanico-player>` and `<abanico-publisher>` (docs/elements.md).

import './ui/abanico-player.ts';
import './ui/abanico-publisher.ts';
import type { AbanicoPlayer as Player } from './ui/abanico-player.ts';
import type { AbanicoPublisher as Publisher } from './ui/abanico-publisher.ts';

export type { Delivery } from './peer/delivery.ts';
export type { PeerState } from './player/peer-watch.ts';
export type { PlayerState } from './player/player-state.ts';
export type { Transport } from './player/transport.ts';
export type { WatchStats } from './player/watch-numbers.ts';
export type { PeerViewer } from './publish/peer-audience.ts';
export type { PublishStats } from './publish/publish-numbers.ts';
export type { PublisherState } from './publish/publisher-state.ts';
export { AbanicoPlayer } from './ui/abanico-player.ts';
export { AbanicoPublisher, type PublisherEventMap, type PublisherEvents } from './ui/abanico-publisher.ts';
export type { PlayerEventMap, PlayerEvents } from './ui/player-attributes.ts';

declare global {
  interface HTMLElementTagNameMap {
    'abanico-player': Player;
    'abanico-publisher': Publisher;
  }
}
