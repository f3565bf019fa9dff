// The text messages of the native door, both ways: what docs/protocol.md says, as types. Unknown types and fields are
// ignored by everybody.

import { admitted } from '../wire/streams.ts';

export const WATCH_PROTOCOL = 'abanico.watch.v1';
export const PUBLISH_PROTOCOL = 'abanico.publish.v1';

export interface VideoTrack {
  track: number;
  kind: 'video';
  /** As WebCodecs spells it, or `jpeg`. */
  codec: string;
  width?: number;
  height?: number;
  /** Base64. */
  description?: string;
}

export interface AudioTrack {
  track: number;
  kind: 'audio';
  codec: string;
  sampleRate: number;
  channels: number;
  /** Base64. */
  description?: string;
}

export type Track = VideoTrack | AudioTrack;

export type Receiving = 'all' | 'keyframes' | 'stills';

/** Times in microseconds since 1970. */
export type FromServer =
  | {
      type: 'welcome';
      streamKey: string;
      epoch: string;
      now: number;
      paused: boolean;
      publisherPresent: boolean;
      viewers: number;
    }
  | { type: 'ready'; streamKey: string; epoch: string; now: number; viewers: number; token?: string }
  | { type: 'tracks'; tracks: Track[] }
  | { type: 'skipped'; frames: number; receiving: Receiving }
  | { type: 'paused'; paused: boolean }
  | { type: 'publisher'; present: boolean; graceMs?: number }
  | { type: 'viewers'; count: number }
  | { type: 'keyframe' }
  | { type: 'clock'; id: number; now: number }
  | { type: 'warning'; code: string; message: string }
  | { type: 'ended' }
  | { type: 'error'; code: string; message: string; retryAfterMs?: number };

export type FromViewer =
  /** `media: false`: words and tracks only. */
  | { type: 'watch'; media?: false; resume?: { epoch: string; sequence: number } }
  | { type: 'clock'; id: number }
  | { type: 'keyframe' }
  | { type: 'hold' }
  | { type: 'resume' };

export type FromPublisher =
  | { type: 'publish'; token?: string; title?: string }
  | { type: 'tracks'; tracks: Track[] }
  | { type: 'pause'; paused: boolean }
  | { type: 'end' }
  | { type: 'clock'; id: number };

/** Reads one text message; undefined for what is no object with a `type`. */
export function readMessage(text: string): FromServer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isMessage = typeof value === 'object' && value !== null && typeof (value as FromServer).type === 'string';
    return isMessage ? (value as FromServer) : undefined;
  } catch {
    return undefined;
  }
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** The door of a stream at a server: `http://host` becomes `ws://host/live/KEY`. */
export function doorUrl(server: string, streamKey: string): string {
  const url = admitted(new URL(`/live/${encodeURIComponent(streamKey)}`, server), streamKey);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
