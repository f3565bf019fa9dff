// Reads the codecs out of a fragmented MP4's beginning (ftyp and moov), so that MediaSource is told the truth.
//
// Pure; reads only what it needs: the sample entry of each track and the few bytes of configuration that name its codec.

import type { InitResult, InitTrack } from './webm-init.ts';

const VIDEO_ENTRY_BYTES = 78;
const AUDIO_ENTRY_BYTES = 28;

interface Box {
  type: string;
  body: number;
  end: number;
}

/** Whether these are the first bytes of an MP4 file, and not of a fragment in its middle. */
export function beginsMp4(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && typeAt(bytes, 4) === 'ftyp';
}

/** Reads the init segment at the beginning of `bytes`, which may go on with media. */
export function readMp4Init(bytes: Uint8Array): InitResult {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const size = sizeAt(bytes, at);
    const type = typeAt(bytes, at + 4);
    if (size < 8) return { state: 'broken' };
    if (type === 'moof' || type === 'mdat') return { state: 'broken' };
    if (at + size > bytes.length) return { state: 'incomplete' };
    if (type === 'moov') return describe(tracksOf(bytes, { type, body: at + 8, end: at + size }));
    at += size;
  }
  return { state: 'incomplete' };
}

function describe(tracks: InitTrack[]): InitResult {
  if (tracks.length === 0) return { state: 'broken' };
  const container = tracks.some((track) => track.kind === 'video') ? 'video/mp4' : 'audio/mp4';
  const codecs = tracks.map((track) => track.codec ?? track.codecId).join(',');
  const unplayable = tracks.find((track) => track.codec === null);
  return { state: 'read', tracks, mime: `${container}; codecs="${codecs}"`, unplayable };
}

function tracksOf(bytes: Uint8Array, moov: Box): InitTrack[] {
  return boxesIn(bytes, moov)
    .filter(({ type }) => type === 'trak')
    .flatMap((trak) => {
      const stsd = ['mdia', 'minf', 'stbl', 'stsd'].reduce<Box | undefined>(
        (box, type) => box && boxesIn(bytes, box).find((inner) => inner.type === type),
        trak,
      );
      // Version, flags and the number of entries stand before them.
      const entry = stsd && boxesIn(bytes, { ...stsd, body: stsd.body + 8 })[0];
      return entry ? [trackOf(bytes, entry)] : [];
    });
}

function trackOf(bytes: Uint8Array, entry: Box): InitTrack {
  const isAudio = ['mp4a', 'Opus', 'fLaC'].includes(entry.type);
  const body = entry.body + (isAudio ? AUDIO_ENTRY_BYTES : VIDEO_ENTRY_BYTES);
  const inside = boxesIn(bytes, { ...entry, body });
  const part = (type: string) => {
    const box = inside.find((inner) => inner.type === type);
    return box && bytes.subarray(box.body, box.end);
  };
  return { kind: isAudio ? 'audio' : 'video', codecId: entry.type, codec: codecOf(entry.type, part) };
}

function codecOf(type: string, part: (type: string) => Uint8Array | undefined): string | null {
  switch (type) {
    case 'avc1':
    case 'avc3': {
      const config = part('avcC');
      return config && config.length >= 4 ? `${type}.${hex(config.subarray(1, 4))}` : null;
    }
    case 'vp09': {
      const config = part('vpcC');
      if (!config || config.length < 7) return null;
      const [profile = 0, level = 0, depth = 0] = config.subarray(4);
      return `vp09.${two(profile)}.${two(level)}.${two(depth >> 4)}`;
    }
    case 'av01': {
      const config = part('av1C');
      if (!config || config.length < 3) return null;
      const [, second = 0, third = 0] = config;
      const depth = third & 0x40 ? (third & 0x20 ? 12 : 10) : 8;
      return `av01.${second >> 5}.${two(second & 0x1f)}${third & 0x80 ? 'H' : 'M'}.${two(depth)}`;
    }
    case 'Opus':
      return 'opus';
    case 'fLaC':
      return 'flac';
    case 'mp4a':
      return 'mp4a.40.2';
    default:
      return null;
  }
}

function boxesIn(bytes: Uint8Array, parent: Box): Box[] {
  const boxes: Box[] = [];
  let at = parent.body;
  while (at + 8 <= parent.end) {
    const size = sizeAt(bytes, at);
    if (size < 8 || at + size > parent.end) break;
    boxes.push({ type: typeAt(bytes, at + 4), body: at + 8, end: at + size });
    at += size;
  }
  return boxes;
}

function sizeAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
}

function typeAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
