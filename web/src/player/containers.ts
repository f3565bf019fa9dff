// In which container these codecs can travel to MediaSource, the better one first. Pure.
//
// Chromium plays VP8, VP9 and AV1 in WebM, and VP9, AV1 and H.264 in MP4; it refuses VP8 in MP4 and H.264 in WebM.

import type { Track } from '../native/messages.ts';

export interface Container {
  extension: 'mp4' | 'webm';
  mime: string;
}

/**
 * The one to ask for when so many answers in a row could not be played: in turn, because a browser that says that it takes
 * both may yet refuse what is in one of them (Chromium: 5.1 Opus in MP4).
 */
export function containerAfter(
  refusals: number,
  tracks: readonly Track[],
  isSupported: (mime: string) => boolean,
): Container | undefined {
  const fit = containersFor(tracks).filter(({ mime }) => isSupported(mime));
  return fit[refusals % fit.length];
}

export function containersFor(tracks: readonly Track[]): Container[] {
  const all = tracks.map(({ codec }) => codec);
  if (all.includes('jpeg')) return [];
  const isVp8 = all.some((codec) => codec.startsWith('vp8') || codec.startsWith('vp08'));
  const isMp4Only = all.some((codec) => /^(avc|hvc|hev|mp4a)/.test(codec));
  const kind = tracks.some((track) => track.kind === 'video') ? 'video' : 'audio';
  const codecs = all.join(',');
  const mp4: Container = { extension: 'mp4', mime: `${kind}/mp4; codecs="${codecs}"` };
  const webm: Container = { extension: 'webm', mime: `${kind}/webm; codecs="${codecs}"` };
  if (isMp4Only) return [mp4];
  return isVp8 ? [webm] : [mp4, webm];
}
