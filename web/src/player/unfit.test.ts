import { expect, test } from 'vitest';
import { unfit } from './unfit.ts';
import type { InitTrack } from './webm-init.ts';

const OPUS: InitTrack = { kind: 'audio', codecId: 'A_OPUS', codec: 'opus' };
const video = (codecId: string, codec: string | null): InitTrack => ({ kind: 'video', codecId, codec });

test('a codec that MediaSource takes in another container is no fault of the browser', () => {
  const failure = unfit([video('V_MPEG4/ISO/AVC', null), OPUS], false);
  expect(failure).toEqual({ kind: 'container', codec: 'H.264', container: 'Matroska' });
});

test('what the browser refuses together is named with its container', () => {
  expect(unfit([video('V_VP9', 'vp9'), OPUS], false)).toEqual({
    kind: 'container',
    codec: 'VP9 + OPUS',
    container: 'WebM',
  });
  expect(unfit([video('hvc1', 'hvc1.1')], true)).toMatchObject({ kind: 'container', container: 'MP4' });
});

test('a codec that nobody plays is named as such', () => {
  expect(unfit([video('V_THEORA', null), OPUS], false)).toEqual({ kind: 'codec', codec: 'V_THEORA' });
  expect(unfit([video('mp4v', null)], true)).toEqual({ kind: 'codec', codec: 'mp4v' });
});
