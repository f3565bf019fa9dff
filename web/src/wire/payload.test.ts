import { describe, expect, test } from 'vitest';
import { concat, isPicture, mayBeginWebm, sniff, toBytes } from './payload.ts';

const JPEG = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1]);
const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

describe('the three forms of data give the same bytes', () => {
  test.each([
    ['data URL', `data:image/jpeg;base64,${base64(JPEG)}`],
    ['data URL with parameters', `data:video/webm;codecs="vp8,opus";base64,${base64(JPEG)}`],
    ['bare base64', base64(JPEG)],
    ['ArrayBuffer', JPEG.buffer],
    ['view', new DataView(JPEG.buffer)],
  ])('%s', (_name, data) => {
    expect(toBytes(data)).toEqual(JPEG);
  });
});

test.each([
  ['an object', {}],
  ['a number', 7],
  ['null', null],
  ['text that is not base64', 'hello there!'],
  ['a data URL without base64', 'data:text/plain,hello'],
  ['a data URL without data', 'data:image/jpeg;base64'],
])('%s has no bytes', (_name, data) => {
  expect(toBytes(data)).toBeNull();
});

test.each([
  ['jpeg', JPEG],
  ['png', Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])],
  ['webp', new TextEncoder().encode('RIFF....WEBPVP8 ')],
  ['webm', Uint8Array.from([0x1a, 0x45, 0xdf, 0xa3, 0x9f])],
  ['mp4', new TextEncoder().encode('....ftypiso5')],
  ['unknown', Uint8Array.from([0x1a])],
  ['unknown', new Uint8Array()],
])('content is told by its first bytes: %s', (content, bytes) => {
  expect(sniff(bytes)).toBe(content);
});

test('only whole pictures are pictures', () => {
  expect(['jpeg', 'png', 'webp'].every((content) => isPicture(content as 'jpeg'))).toBe(true);
  expect(isPicture('webm')).toBe(false);
});

test('a first chunk of one byte may be the beginning of WebM', () => {
  expect(mayBeginWebm(Uint8Array.from([0x1a]))).toBe(true);
  expect(mayBeginWebm(Uint8Array.from([0x1a, 0x45, 0xdf]))).toBe(true);
  expect(mayBeginWebm(Uint8Array.from([0x1a, 0x46]))).toBe(false);
  expect(mayBeginWebm(Uint8Array.from([0x1a, 0x45, 0xdf, 0xa3]))).toBe(false);
  expect(mayBeginWebm(new Uint8Array())).toBe(false);
});

test('parts join in order', () => {
  expect(concat([Uint8Array.from([1]), new Uint8Array(), Uint8Array.from([2, 3])])).toEqual(Uint8Array.from([1, 2, 3]));
});
