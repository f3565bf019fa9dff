import { expect, test } from 'vitest';
import { codecCandidates, encodedSize, encoderConfig } from './codec-trial.ts';

const LIMITS = { width: 1280, height: 720 };

test('a larger picture is fitted, its shape kept; a smaller one is left as it is', () => {
  expect(encodedSize({ width: 1920, height: 1080 }, LIMITS)).toEqual({ width: 1280, height: 720 });
  expect(encodedSize({ width: 1080, height: 1920 }, LIMITS)).toEqual({ width: 406, height: 720 });
  expect(encodedSize({ width: 640, height: 480 }, LIMITS)).toEqual({ width: 640, height: 480 });
});

test('odd sizes become even', () => {
  expect(encodedSize({ width: 641, height: 359 }, LIMITS)).toEqual({ width: 642, height: 360 });
});

test('H.264 baseline comes first and VP8 last, at a level that the size needs', () => {
  expect(codecCandidates(LIMITS, 30)).toEqual(['avc1.42E01F', 'vp09.00.31.08', 'av01.0.05M.08', 'vp8']);
  expect(codecCandidates({ width: 1920, height: 1080 }, 30)[0]).toBe('avc1.42E028');
  expect(codecCandidates(LIMITS, 60)[0]).toBe('avc1.42E028');
});

test('H.264 travels as Annex B', () => {
  expect(encoderConfig('avc1.42E01F', LIMITS, 30, 1)).toMatchObject({
    avc: { format: 'annexb' },
    latencyMode: 'realtime',
  });
  expect(encoderConfig('vp8', LIMITS, 30, 1)).not.toHaveProperty('avc');
});
