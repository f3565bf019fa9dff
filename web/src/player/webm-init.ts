// Reads the codecs out of a WebM init segment, so that MediaSource is told the truth and never a guess.
//
// Pure; reads only what it needs: EBML header, Segment, Tracks, and CodecID and CodecPrivate of each track. Everything
// after the first Cluster is media and not looked at.

const ID = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackType: 0x83,
  codecId: 0x86,
  codecPrivate: 0x63a2,
  cluster: 0x1f43b675,
} as const;

export interface InitTrack {
  kind: 'video' | 'audio' | 'other';
  codecId: string;
  /** What MediaSource wants in `codecs=`; null for a codec that WebM in MediaSource does not have. */
  codec: string | null;
}

export type InitResult =
  | { state: 'incomplete' }
  | { state: 'broken' }
  | { state: 'read'; tracks: InitTrack[]; mime: string; unplayable: InitTrack | undefined };

/** Reads the init segment at the beginning of `bytes`, which may go on with media. */
export function readWebmInit(bytes: Uint8Array): InitResult {
  const header = elementAt(bytes, 0);
  if (header === 'incomplete') return { state: 'incomplete' };
  if (header === 'broken' || header.id !== ID.ebml || header.size === null) return { state: 'broken' };
  const segment = elementAt(bytes, header.body + header.size);
  if (segment === 'incomplete') return { state: 'incomplete' };
  if (segment === 'broken' || segment.id !== ID.segment) return { state: 'broken' };

  let at = segment.body;
  for (;;) {
    const element = elementAt(bytes, at);
    if (element === 'incomplete') return { state: 'incomplete' };
    if (element === 'broken' || element.size === null || element.id === ID.cluster) return { state: 'broken' };
    const end = element.body + element.size;
    if (element.id === ID.tracks) {
      if (end > bytes.length) return { state: 'incomplete' };
      return describe(readTracks(bytes.subarray(element.body, end)));
    }
    at = end;
  }
}

function describe(tracks: InitTrack[]): InitResult {
  const media = tracks.filter((track) => track.kind !== 'other');
  if (media.length === 0) return { state: 'broken' };
  const codecs = media.map((track) => track.codec ?? track.codecId);
  const container = media.some((track) => track.kind === 'video') ? 'video/webm' : 'audio/webm';
  return {
    state: 'read',
    tracks: media,
    mime: `${container}; codecs="${codecs.join(',')}"`,
    unplayable: media.find((track) => track.codec === null),
  };
}

function readTracks(bytes: Uint8Array): InitTrack[] {
  const tracks: InitTrack[] = [];
  for (const entry of children(bytes)) {
    if (entry.id !== ID.trackEntry) continue;
    let type = 0;
    let codecId = '';
    let codecPrivate: Uint8Array = new Uint8Array();
    for (const field of children(entry.bytes)) {
      if (field.id === ID.trackType) type = field.bytes[0] ?? 0;
      else if (field.id === ID.codecId) codecId = text(field.bytes);
      else if (field.id === ID.codecPrivate) codecPrivate = field.bytes;
    }
    const kind = type === 1 ? 'video' : type === 2 ? 'audio' : 'other';
    tracks.push({ kind, codecId, codec: codecString(codecId, codecPrivate) });
  }
  return tracks;
}

/** The RFC 6381 string for a Matroska CodecID; null where no browser's MediaSource takes it in WebM. */
function codecString(codecId: string, codecPrivate: Uint8Array): string | null {
  switch (codecId) {
    case 'V_VP8':
      return 'vp8';
    case 'V_VP9':
      return 'vp9';
    case 'V_AV1':
      return av1String(codecPrivate);
    case 'A_OPUS':
      return 'opus';
    case 'A_VORBIS':
      return 'vorbis';
    default:
      return null;
  }
}

/** Profile, level and depth from `av1C` (AV1 Codec ISO Media File Format Binding §2.3.3). */
function av1String(av1c: Uint8Array): string {
  const [, second, third] = av1c;
  if (second === undefined || third === undefined) return 'av01.0.04M.08';
  const profile = second >> 5;
  const level = (second & 0x1f).toString().padStart(2, '0');
  const tier = third & 0x80 ? 'H' : 'M';
  const depth = third & 0x20 ? '12' : third & 0x40 ? '10' : '08';
  return `av01.${profile}.${level}${tier}.${depth}`;
}

interface Element {
  id: number;
  body: number;
  /** Null for an unknown size, which live Segments and Clusters have. */
  size: number | null;
}

function* children(bytes: Uint8Array): Generator<{ id: number; bytes: Uint8Array }> {
  let at = 0;
  while (at < bytes.length) {
    const element = elementAt(bytes, at);
    if (typeof element === 'string' || element.size === null) return;
    yield { id: element.id, bytes: bytes.subarray(element.body, element.body + element.size) };
    at = element.body + element.size;
  }
}

function elementAt(bytes: Uint8Array, at: number): Element | 'incomplete' | 'broken' {
  const first = bytes[at];
  if (first === undefined) return 'incomplete';
  const idLength = Math.clz32(first) - 23;
  if (idLength > 4) return 'broken';
  const sizeAt = at + idLength;
  const sizeFirst = bytes[sizeAt];
  if (sizeFirst === undefined) return 'incomplete';
  const sizeLength = Math.clz32(sizeFirst) - 23;
  if (sizeLength > 8) return 'broken';
  if (sizeAt + sizeLength > bytes.length) return 'incomplete';

  let id = 0;
  for (let i = at; i < sizeAt; i++) id = id * 256 + (bytes[i] ?? 0);
  const mask = 0xff >> sizeLength;
  let size = sizeFirst & mask;
  let unknown = size === mask;
  for (let i = 1; i < sizeLength; i++) {
    const byte = bytes[sizeAt + i] ?? 0;
    unknown &&= byte === 0xff;
    size = size * 256 + byte;
  }
  return { id, body: sizeAt + sizeLength, size: unknown ? null : size };
}

function text(bytes: Uint8Array): string {
  // Matroska strings may be padded with zeros.
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}
