// The list of live streams over plain HTTP.

import { type PublishRight, watchTokens } from './identity.ts';

export type StreamKind = 'picture' | 'webm' | 'mp4' | 'opaque';

export interface LiveStream {
  id: string;
  streamKey: string;
  streamerUsername: string;
  viewerCount: number;
  startedAt?: string;
  createdAt: string;
  paused?: boolean;
  hasPoster?: boolean;
  kind?: StreamKind | null;
}

/** What is live now, newest first. */
export async function fetchStreams(signal: AbortSignal, server: string = location.origin): Promise<LiveStream[]> {
  const response = await fetch(new URL('/streams', server), {
    signal,
    cache: 'no-store',
    headers: { accept: 'application/json' },
  });
  if (!response.ok) throw new Error(`the list of streams answered ${response.status}`);
  const body = (await response.json()) as { streams?: LiveStream[] };
  const streams = Array.isArray(body.streams) ? body.streams : [];
  return streams.sort((a, b) => (b.startedAt ?? b.createdAt).localeCompare(a.startedAt ?? a.createdAt));
}

/** The newest still of a stream, past every cache. */
export function posterUrl(streamKey: string): string {
  return `/streams/${encodeURIComponent(streamKey)}/poster?t=${Date.now()}`;
}

export function watchUrl(streamKey: string, server: string = location.origin): string {
  const token = watchTokens.get(streamKey);
  return `${server}/watch/${encodeURIComponent(streamKey)}${token ? `#token=${token}` : ''}`;
}

/** The address with what this tab has to watch the stream, if it was given anything. */
export function admitted(url: URL, streamKey: string): URL {
  const token = watchTokens.get(streamKey);
  if (token) url.searchParams.set('token', token);
  return url;
}

export interface ViewLink {
  url: string;
  seats: number;
  expiresAt: string | null;
}

/** Makes a link to a private stream, as its publisher. */
export async function makeViewLink(
  { streamKey, publishToken }: PublishRight,
  wish: { seats: number; expires?: string },
  server: string = location.origin,
): Promise<ViewLink> {
  const response = await fetch(new URL(`/streams/${encodeURIComponent(streamKey)}/links`, server), {
    method: 'POST',
    headers: { authorization: `Bearer ${publishToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(wish),
  });
  if (!response.ok) throw new Error((await response.text()).trim());
  const { path, seats, expiresAt } = (await response.json()) as { path: string } & Omit<ViewLink, 'url'>;
  return { url: new URL(path, server).href, seats, expiresAt };
}

/** The stream key in a share link, a viewer link, the address of a stream's door, or typed as it is. */
export function keyFrom(text: string): string | null {
  const trimmed = text.trim();
  const found = /(?:\/watch\/|\/live\/|[?&]key=)([^/?#&\s]+?)(?:\.(?:webm|mp4|mjpeg|jpg))?(?:$|[/?#&\s])/.exec(trimmed);
  const key = found?.[1] ? safeDecode(found[1]) : trimmed;
  return /^[\w.-]{1,128}$/.test(key) ? key : null;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
