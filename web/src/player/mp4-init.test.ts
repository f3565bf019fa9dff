import { expect, test } from 'vitest';
import { beginsMp4, readMp4Init } from './mp4-init.ts';

const text = (letters: string) => [...letters].map((letter) => letter.charCodeAt(0));
const box = (type: string, ...content: number[][]): number[] => {
  const body = content.flat();
  const size = body.length + 8;
  return [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255, ...text(type), ...body];
};
const zeros = (count: number): number[] => new Array(count).fill(0);
const trak = (entry: number[]) =>
  box(
    'trak',
    box('tkhd', zeros(4)),
    box('mdia', box('minf', box('stbl', box('stsd', [0, 0, 0, 0, 0, 0, 0, 1], entry)))),
  );
const H264 = box('avc1', zeros(78), box('avcC', [1, 0x42, 0xe0, 0x1f, 0xff]));
const VP9 = box('vp09', zeros(78), box('vpcC', [1, 0, 0, 0, 0, 31, 0x82, 0, 0, 0, 0, 0]));
const AV1 = box('av01', zeros(78), box('av1C', [0x81, 0x05, 0x0c, 0]));
const OPUS = box('Opus', zeros(28), box('dOps', zeros(11)));
const file = (...entries: number[][]) =>
  Uint8Array.from([...box('ftyp', text('iso5')), ...box('moov', box('mvhd', zeros(8)), ...entries.map(trak))]);

test('the codecs of every track are read', () => {
  expect(readMp4Init(file(H264, OPUS))).toMatchObject({ state: 'read', mime: 'video/mp4; codecs="avc1.42E01F,opus"' });
  expect(readMp4Init(file(VP9))).toMatchObject({ mime: 'video/mp4; codecs="vp09.00.31.08"' });
  expect(readMp4Init(file(AV1))).toMatchObject({ mime: 'video/mp4; codecs="av01.0.05M.08"' });
  expect(readMp4Init(file(OPUS))).toMatchObject({ mime: 'audio/mp4; codecs="opus"' });
});

test('a codec that nobody knows is named', () => {
  const read = readMp4Init(file(box('abcd', zeros(90))));
  expect(read).toMatchObject({ state: 'read', unplayable: { codecId: 'abcd' } });
});

test('cut anywhere it waits for more', () => {
  const whole = file(H264, OPUS);
  for (let length = 0; length < whole.length; length++) {
    expect(readMp4Init(whole.subarray(0, length)).state).toBe('incomplete');
  }
});

test('a fragment is no beginning, and nonsense is broken', () => {
  const fragment = Uint8Array.from(box('moof', zeros(20)));
  expect(beginsMp4(fragment)).toBe(false);
  expect(readMp4Init(fragment).state).toBe('broken');
  expect(readMp4Init(Uint8Array.from(zeros(16))).state).toBe('broken');
  expect(beginsMp4(file(H264))).toBe(true);
});
