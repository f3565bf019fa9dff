// Finds out which codec this browser really encodes: by encoding, never by its name.
//
// H.264 baseline first, because it is the cheapest everywhere; VP8 last, because WebCodecs' VP8 collapses when cores are
// short (shared/browser.md §4).

import type { FramesLimits } from './messages.ts';

const TRIAL_FRAMES = 2;
const TRIAL_MAX_MS = 2_000;

export type Size = Pick<FramesLimits, 'width' | 'height'>;

/** The size to encode: fitted into the limits, never enlarged, even as H.264 wants it. */
export function encodedSize(source: Size, limits: Size): Size {
  const scale = Math.min(1, limits.width / source.width, limits.height / source.height);
  const even = (value: number) => Math.max(2, Math.round((value * scale) / 2) * 2);
  return { width: even(source.width), height: even(source.height) };
}

/** The codec strings to try, levels as high as the size needs. */
export function codecCandidates({ width, height }: Size, framesPerSecond: number): string[] {
  const pixels = width * height * framesPerSecond;
  const isUpTo = (w: number, h: number) => width * height <= w * h && pixels <= w * h * 30;
  const small = isUpTo(1280, 720);
  const large = isUpTo(1920, 1088);
  return [
    small ? 'avc1.42E01F' : large ? 'avc1.42E028' : 'avc1.42E033',
    small ? 'vp09.00.31.08' : large ? 'vp09.00.40.08' : 'vp09.00.51.08',
    small ? 'av01.0.05M.08' : large ? 'av01.0.08M.08' : 'av01.0.12M.08',
    'vp8',
  ];
}

export function encoderConfig(
  codec: string,
  size: Size,
  framesPerSecond: number,
  bitsPerSecond: number,
): VideoEncoderConfig {
  return {
    codec,
    ...size,
    framerate: framesPerSecond,
    bitrate: bitsPerSecond,
    latencyMode: 'realtime',
    ...(codec.startsWith('avc1') ? { avc: { format: 'annexb' as const } } : {}),
  };
}

/** The first of them that encodes a picture; undefined if none does. */
export async function firstThatEncodes(
  configs: readonly VideoEncoderConfig[],
): Promise<VideoEncoderConfig | undefined> {
  for (const config of configs) {
    const { supported } = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (supported && (await encodes(config))) return config;
  }
  return undefined;
}

function encodes(config: VideoEncoderConfig): Promise<boolean> {
  return new Promise((resolve) => {
    let keyBytes = 0;
    const encoder = new VideoEncoder({
      output: (chunk) => {
        if (chunk.type === 'key') keyBytes += chunk.byteLength;
      },
      error: () => done(false),
    });
    const timer = setTimeout(() => done(false), TRIAL_MAX_MS);
    const done = (isGood: boolean) => {
      clearTimeout(timer);
      if (encoder.state !== 'closed') encoder.close();
      resolve(isGood);
    };
    try {
      encoder.configure(config);
      const canvas = new OffscreenCanvas(config.width, config.height);
      const context = canvas.getContext('2d', { alpha: false });
      for (let i = 0; i < TRIAL_FRAMES; i++) {
        context?.fillRect(i * 8, i * 8, 64, 64);
        const frame = new VideoFrame(canvas, { timestamp: i * 33_333, duration: 33_333 });
        encoder.encode(frame, { keyFrame: i === 0 });
        frame.close();
      }
      encoder.flush().then(
        () => done(keyBytes > 0),
        () => done(false),
      );
    } catch {
      done(false);
    }
  });
}
