// One encoded frame as a binary message of the native door: 28 bytes of header, then the payload.
//
// Pure. Times are whole microseconds; they and everything else in the header are big-endian (docs/protocol.md).

export const HEADER_BYTES = 28;
const KIND_FRAME = 1;
const FLAG_KEYFRAME = 1;
const FLAG_AFTER_GAP = 2;
const TWO_TO_32 = 4_294_967_296;

export interface FrameHeader {
  /** The number from `tracks`. */
  track: number;
  isKeyframe: boolean;
  /** Frames of this track were left out right before this one. */
  isAfterGap: boolean;
  /** Counts all frames of all tracks. */
  sequence: number;
  /** 0 if unknown. */
  duration: number;
  /** On the stream's timeline. */
  timestamp: number;
  /** Since 1970 in the server's clock; 0 if unknown. */
  capturedAt: number;
}

export interface Frame extends FrameHeader {
  payload: Uint8Array<ArrayBuffer>;
}

/** A message with room for so many bytes of payload behind the header. */
export function frameMessage(header: FrameHeader, payloadBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payloadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, KIND_FRAME);
  view.setUint8(1, header.track);
  view.setUint16(2, (header.isKeyframe ? FLAG_KEYFRAME : 0) | (header.isAfterGap ? FLAG_AFTER_GAP : 0));
  view.setUint32(4, header.sequence);
  view.setUint32(8, header.duration);
  setInt64(view, 12, header.timestamp);
  setInt64(view, 20, header.capturedAt);
  return bytes;
}

/** Undefined for a kind that this file does not know, and for what is too short to be anything. */
export function readFrame(message: ArrayBuffer): Frame | undefined {
  if (message.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(message);
  if (view.getUint8(0) !== KIND_FRAME) return undefined;
  const flags = view.getUint16(2);
  return {
    track: view.getUint8(1),
    isKeyframe: (flags & FLAG_KEYFRAME) !== 0,
    isAfterGap: (flags & FLAG_AFTER_GAP) !== 0,
    sequence: view.getUint32(4),
    duration: view.getUint32(8),
    timestamp: getInt64(view, 12),
    capturedAt: getInt64(view, 20),
    payload: new Uint8Array(message, HEADER_BYTES),
  };
}

// Microseconds since 1970 fit into a number's 53 bits until the year 2255; BigInt would cost more.

function setInt64(view: DataView, at: number, value: number): void {
  const whole = Math.round(value);
  view.setInt32(at, Math.floor(whole / TWO_TO_32));
  view.setUint32(at + 4, whole - Math.floor(whole / TWO_TO_32) * TWO_TO_32);
}

function getInt64(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_TO_32 + view.getUint32(at + 4);
}
