// What a person can choose: four modes and five qualities.
//
// `live` sends each frame by itself over the native door and is what a page starts with. `demo` and `production` are the
// design document's two options, number for number; `low-delay` is production with chunks as short as they come.

export const MODES = ['live', 'low-delay', 'production', 'demo'] as const;
export type Mode = (typeof MODES)[number];

export const QUALITIES = ['240p', '360p', '480p', '720p', '1080p'] as const;
export type Quality = (typeof QUALITIES)[number];

/** Whole JPEG pictures, one message each. */
export interface PictureSettings {
  kind: 'picture';
  width: number;
  height: number;
  framesPerSecond: number;
  jpegQuality: number;
}

/** A MediaRecorder's WebM in chunks. */
export interface VideoSettings {
  kind: 'video';
  width: number;
  height: number;
  framesPerSecond: number;
  bitsPerSecond: number;
  chunkMs: number;
}

/** Frames encoded by the page itself, one message each. */
export interface FramesSettings {
  kind: 'frames';
  width: number;
  height: number;
  framesPerSecond: number;
  bitsPerSecond: number;
}

export type Settings = PictureSettings | VideoSettings | FramesSettings;

/** The quality that each mode stands for in the design document. */
export const DEFAULT_QUALITY: Record<Mode, Quality> = {
  live: '720p',
  'low-delay': '720p',
  production: '720p',
  demo: '480p',
};

const PICTURES: Record<Quality, Omit<PictureSettings, 'kind'>> = {
  '240p': { width: 320, height: 240, framesPerSecond: 10, jpegQuality: 0.6 },
  '360p': { width: 480, height: 360, framesPerSecond: 10, jpegQuality: 0.65 },
  '480p': { width: 640, height: 480, framesPerSecond: 10, jpegQuality: 0.7 },
  '720p': { width: 1280, height: 720, framesPerSecond: 12, jpegQuality: 0.7 },
  '1080p': { width: 1920, height: 1080, framesPerSecond: 12, jpegQuality: 0.7 },
};

const VIDEOS: Record<Quality, Omit<VideoSettings, 'kind' | 'chunkMs'>> = {
  '240p': { width: 426, height: 240, framesPerSecond: 24, bitsPerSecond: 400_000 },
  '360p': { width: 640, height: 360, framesPerSecond: 24, bitsPerSecond: 800_000 },
  '480p': { width: 854, height: 480, framesPerSecond: 30, bitsPerSecond: 1_400_000 },
  '720p': { width: 1280, height: 720, framesPerSecond: 30, bitsPerSecond: 2_500_000 },
  '1080p': { width: 1920, height: 1080, framesPerSecond: 30, bitsPerSecond: 5_000_000 },
};

const CHUNK_MS: Record<'production' | 'low-delay', number> = { production: 500, 'low-delay': 1 };

export function settingsFor(mode: Mode, quality: Quality): Settings {
  if (mode === 'demo') return { kind: 'picture', ...PICTURES[quality] };
  if (mode === 'live') return { kind: 'frames', ...VIDEOS[quality] };
  return { kind: 'video', ...VIDEOS[quality], chunkMs: CHUNK_MS[mode] };
}

/** The next best way where this one cannot be had; undefined after the last. */
export function fallbackOf(settings: Settings): Settings | undefined {
  const { kind, width, height } = settings;
  switch (kind) {
    case 'frames':
      return { ...settings, kind: 'video', chunkMs: CHUNK_MS['low-delay'] };
    case 'video':
      return { kind: 'picture', width, height, framesPerSecond: 10, jpegQuality: 0.7 };
    case 'picture':
      return undefined;
  }
}

/** What a person may expect to send, bits per second; for pictures a usual size is taken for granted. */
export function expectedBitsPerSecond(settings: Settings): number {
  if (settings.kind !== 'picture') return settings.bitsPerSecond;
  const bytesPerPixel = 0.12;
  return settings.width * settings.height * bytesPerPixel * 8 * settings.framesPerSecond;
}
