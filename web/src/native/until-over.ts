// Hears when a stream of before is over: a socket of the native door for words alone, which shows the stream's own token.
// A cut says nothing about the stream; it is not opened again.

import type { PublishRight } from '../wire/identity.ts';
import { doorUrl, WATCH_PROTOCOL } from './messages.ts';

/** How the server closes it: the stream ended while it was open, is not known, had ended before. */
const OVER: readonly number[] = [1000, 4404, 4410];

/** Calls `over` once, unless it is called off with what is given back. */
export function untilOver({ streamKey, publishToken }: PublishRight, over: () => void): () => void {
  const url = new URL(doorUrl(location.origin, streamKey));
  url.searchParams.set('token', publishToken);
  const socket = new WebSocket(url, WATCH_PROTOCOL);
  socket.onopen = () => socket.send('{"type":"watch","media":false}');
  socket.onclose = ({ code }) => {
    if (OVER.includes(code)) over();
  };
  return () => {
    socket.onclose = null;
    socket.close();
  };
}
