// The ways a stream can come to a player, in the order in which they are tried. Pure.

export const TRANSPORTS = ['auto', 'webcodecs', 'mse', 'webrtc', 'socketio'] as const;
export type Transport = (typeof TRANSPORTS)[number];
export type Route = Exclude<Transport, 'auto'>;

export interface Abilities {
  /** The server has a native door, as far as is known. */
  hasDoor: boolean;
  mayPlayFrames: boolean;
  hasMediaSource: boolean;
}

/** `auto` tries all that may work; any other is tried alone. Never empty. */
export function routesFor(transport: Transport, { hasDoor, mayPlayFrames, hasMediaSource }: Abilities): Route[] {
  if (transport !== 'auto') return [transport];
  const routes: Route[] = [];
  if (hasDoor && mayPlayFrames) routes.push('webcodecs');
  if (hasDoor && hasMediaSource) routes.push('mse');
  routes.push('socketio');
  return routes;
}

export function transportFrom(text: string | null): Transport {
  return TRANSPORTS.find((transport) => transport === text) ?? 'auto';
}
