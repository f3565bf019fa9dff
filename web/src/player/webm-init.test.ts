import { describe, expect, test } from 'vitest';
import { concat } from '../wire/payload.ts';
import { readWebmInit } from './webm-init.ts';

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const ascii = (text: string) => new TextEncoder().encode(text);

function element(id: string, body: Uint8Array): Uint8Array {
  return concat([
    hex(id),
    Uint8Array.from([0x10 | (body.length >> 24), body.length >> 16, body.length >> 8, body.length]),
    body,
  ]);
}

function track(type: number, codecId: string, codecPrivate?: Uint8Array): Uint8Array {
  const fields = [
    element('d7', Uint8Array.of(type)),
    element('83', Uint8Array.of(type)),
    element('86', ascii(codecId)),
  ];
  if (codecPrivate) fields.push(element('63a2', codecPrivate));
  return element('ae', concat(fields));
}

function init(...tracks: Uint8Array[]): Uint8Array {
  return concat([
    element('1a45dfa3', element('4282', ascii('webm'))),
    // A live Segment has no size.
    hex('1853806701ffffffffffffff'),
    element('1549a966', element('2ad7b1', hex('0f4240'))),
    element('1654ae6b', concat(tracks)),
    hex('1f43b67501ffffffffffffff'),
  ]);
}

describe('the codec string says what the tracks say', () => {
  test.each([
    ['video/webm; codecs="vp8,opus"', init(track(1, 'V_VP8'), track(2, 'A_OPUS'))],
    ['video/webm; codecs="opus,vp9"', init(track(2, 'A_OPUS'), track(1, 'V_VP9'))],
    ['video/webm; codecs="vp8"', init(track(1, 'V_VP8\0\0'))],
    ['audio/webm; codecs="opus"', init(track(2, 'A_OPUS'))],
    ['video/webm; codecs="av01.0.04M.08"', init(track(1, 'V_AV1', hex('81040c00')))],
    ['video/webm; codecs="av01.1.13H.10"', init(track(1, 'V_AV1', hex('812dc000')))],
  ])('%s', (mime, bytes) => {
    const result = readWebmInit(bytes);
    expect(result).toMatchObject({ state: 'read', mime });
  });
});

test('a codec that WebM in MediaSource does not have is named', () => {
  expect(readWebmInit(init(track(1, 'V_MPEG4/ISO/AVC'), track(2, 'A_OPUS')))).toMatchObject({
    state: 'read',
    unplayable: { codecId: 'V_MPEG4/ISO/AVC' },
  });
});

test('however early it is cut, it is incomplete and never broken', () => {
  const whole = init(track(1, 'V_VP8'), track(2, 'A_OPUS'));
  const end = whole.length - 12;
  for (let length = 0; length < end; length++) {
    expect(readWebmInit(whole.subarray(0, length)).state).toBe('incomplete');
  }
  expect(readWebmInit(whole.subarray(0, end)).state).toBe('read');
});

test.each([
  ['other bytes', hex('ffd8ffe000104a464946')],
  [
    'a cluster before the tracks',
    concat([element('1a45dfa3', ascii('')), hex('1853806701ffffffffffffff1f43b67501ffffffffffffff')]),
  ],
  ['no segment after the header', concat([element('1a45dfa3', ascii('')), element('ec', ascii('x'))])],
  ['no tracks in Tracks', init()],
])('%s is broken', (_name, bytes) => {
  expect(readWebmInit(bytes).state).toBe('broken');
});

test('hostile bytes end in an answer', () => {
  const whole = init(track(1, 'V_VP8'), track(2, 'A_OPUS'));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0x00, 0x01, 0x7f, 0xff]) {
      const bytes = whole.slice();
      bytes[at] = value;
      expect(['read', 'incomplete', 'broken']).toContain(readWebmInit(bytes).state);
    }
  }
});
