import { expect, test } from 'vitest';
import { DEFAULT_QUALITY, fallbackOf, MODES, QUALITIES, settingsFor } from './presets.ts';

test('demo is the first option of the design document, number for number', () => {
  expect(settingsFor('demo', DEFAULT_QUALITY.demo)).toEqual({
    kind: 'picture',
    width: 640,
    height: 480,
    framesPerSecond: 10,
    jpegQuality: 0.7,
  });
});

test('production is the second option of the design document, number for number', () => {
  expect(settingsFor('production', DEFAULT_QUALITY.production)).toEqual({
    kind: 'video',
    width: 1280,
    height: 720,
    framesPerSecond: 30,
    bitsPerSecond: 2_500_000,
    chunkMs: 500,
  });
});

test('low delay is production in the shortest pieces that there are', () => {
  for (const quality of QUALITIES) {
    expect(settingsFor('low-delay', quality)).toEqual({ ...settingsFor('production', quality), chunkMs: 1 });
  }
});

test('a better quality is never smaller than a worse one', () => {
  for (const mode of MODES) {
    const areas = QUALITIES.map((quality) => settingsFor(mode, quality)).map(({ width, height }) => width * height);
    expect(areas).toEqual([...areas].sort((a, b) => a - b));
  }
});

test('what cannot be had falls back from frames to a recorder to pictures', () => {
  const live = settingsFor('live', '720p');
  const recorder = fallbackOf(live);
  expect(recorder).toEqual(settingsFor('low-delay', '720p'));
  const pictures = recorder && fallbackOf(recorder);
  expect(pictures).toMatchObject({ kind: 'picture', width: 1280, framesPerSecond: 10 });
  expect(pictures && fallbackOf(pictures)).toBeUndefined();
});
