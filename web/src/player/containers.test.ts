import { expect, test } from 'vitest';
import type { Track } from '../native/messages.ts';
import { containerAfter, containersFor } from './containers.ts';

const video = (codec: string): Track => ({ track: 0, kind: 'video', codec });
const opus: Track = { track: 1, kind: 'audio', codec: 'opus', sampleRate: 48_000, channels: 2 };

test('H.264 travels in MP4 only, VP8 in WebM only, the others in both', () => {
  const extensions = (codec: string) => containersFor([video(codec)]).map(({ extension }) => extension);
  expect(extensions('avc1.42E01F')).toEqual(['mp4']);
  expect(extensions('vp8')).toEqual(['webm']);
  expect(extensions('vp09.00.31.08')).toEqual(['mp4', 'webm']);
  expect(extensions('av01.0.05M.08')).toEqual(['mp4', 'webm']);
  expect(extensions('jpeg')).toEqual([]);
});

test('the type names every codec', () => {
  expect(containersFor([video('avc1.42E01F'), opus])[0]?.mime).toBe('video/mp4; codecs="avc1.42E01F,opus"');
  expect(containersFor([opus])[0]?.mime).toBe('audio/mp4; codecs="opus"');
});

test('an answer that could not be played is asked for in the other container', () => {
  const tracks = [video('vp09.00.10.08'), opus];
  const asked = [0, 1, 2].map((refusals) => containerAfter(refusals, tracks, () => true)?.extension);
  expect(asked).toEqual(['mp4', 'webm', 'mp4']);
  expect(containerAfter(1, tracks, (mime) => mime.includes('webm'))?.extension).toBe('webm');
  expect(containerAfter(3, tracks, () => false)).toBeUndefined();
});
