// What `data` may look like on the wire, and what is inside: data URL, bare base64 or binary, told apart by content.
//
// Pure. Nothing here trusts a declared type: a data URL may call a WebM chunk an image.

/** What a run of bytes is, judged by its first bytes. */
export type Content = 'jpeg' | 'png' | 'webp' | 'webm' | 'mp4' | 'unknown';

/** Enough to tell every kind apart. */
export const SNIFF_BYTES = 12;

const EBML_MAGIC = [0x1a, 0x45, 0xdf, 0xa3] as const;

/** The bytes of `data` in whatever form it came, or null if it has none. */
export function toBytes(data: unknown): Uint8Array<ArrayBuffer> | null {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  if (typeof data !== 'string') return null;
  if (!data.startsWith('data:')) return fromBase64(data);
  // Not the first comma: a recorder's type has one of its own, `video/webm;codecs=vp8,opus;base64,…`.
  const mark = ';base64,';
  const at = data.indexOf(mark);
  return at < 0 ? null : fromBase64(data.slice(at + mark.length));
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return null;
  }
}

/** What these bytes are the beginning of. */
export function sniff(bytes: Uint8Array): Content {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'jpeg';
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47])) return 'png';
  if (startsWith(bytes, [0x52, 0x49, 0x46, 0x46]) && ascii(bytes, 8) === 'WEBP') return 'webp';
  if (startsWith(bytes, EBML_MAGIC)) return 'webm';
  if (['ftyp', 'styp', 'moof', 'sidx', 'moov'].includes(ascii(bytes, 4))) return 'mp4';
  return 'unknown';
}

export function isPicture(content: Content): content is 'jpeg' | 'png' | 'webp' {
  return content === 'jpeg' || content === 'png' || content === 'webp';
}

/** True for a run shorter than the magic number that is its beginning: recorders do send a first chunk of one byte. */
export function mayBeginWebm(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length < EBML_MAGIC.length && bytes.every((byte, i) => byte === EBML_MAGIC[i]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function ascii(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
