// The states of a publisher.

export const PUBLISHER = {
  idle: 'idle',
  connecting: 'connecting',
  live: 'live',
  paused: 'paused',
  reconnecting: 'reconnecting',
  ended: 'ended',
} as const;
export type PublisherState = (typeof PUBLISHER)[keyof typeof PUBLISHER];
