import { expect, test } from 'vitest';
import { type FrameHeader, frameMessage, HEADER_BYTES, readFrame } from './frame.ts';

const HEADER: FrameHeader = {
  track: 1,
  isKeyframe: true,
  isAfterGap: false,
  sequence: 4_000_000_000,
  duration: 33_333,
  timestamp: 7_200_000_123,
  capturedAt: 1_795_369_642_123_456,
};

test('what is written is read again, times of this century exactly', () => {
  const message = frameMessage(HEADER, 3);
  message.set([7, 8, 9], HEADER_BYTES);
  expect(readFrame(message.buffer)).toEqual({ ...HEADER, payload: new Uint8Array([7, 8, 9]) });
});

test('a time before zero stays before zero', () => {
  const message = frameMessage({ ...HEADER, timestamp: -40_000, isKeyframe: false, isAfterGap: true }, 0);
  expect(readFrame(message.buffer)).toMatchObject({ timestamp: -40_000, isKeyframe: false, isAfterGap: true });
});

test('every number stands where the protocol says, the most significant byte first', () => {
  const bytes = frameMessage({ ...HEADER, sequence: 0x01020304, duration: 5, timestamp: 6, capturedAt: 0 }, 0);
  expect([...bytes]).toEqual([1, 1, 0, 1, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('a message of another kind, or too short for a header, is no frame', () => {
  const other = frameMessage(HEADER, 4);
  other[0] = 2;
  expect(readFrame(other.buffer)).toBeUndefined();
  expect(readFrame(new ArrayBuffer(HEADER_BYTES - 1))).toBeUndefined();
});

test('unknown flags are ignored', () => {
  const message = frameMessage(HEADER, 0);
  message[2] = 0xff;
  message[3] = 0xfd;
  expect(readFrame(message.buffer)).toMatchObject({ isKeyframe: true, isAfterGap: false });
});
