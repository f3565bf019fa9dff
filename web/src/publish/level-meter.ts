// How loud a microphone is, from 0 to 1, a few times a second.

const EVERY_MS = 66;
/** Decibels that show as nothing; quieter rooms do not exist. */
const FLOOR_DB = -60;

/** Starts measuring; returns how to stop. */
export function startLevelMeter(track: MediaStreamTrack, level: (value: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1_024;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  // A context made without a click starts suspended in some browsers; the first touch wakes it.
  const wake = () => void context.resume().catch(() => {});
  wake();
  document.addEventListener('pointerdown', wake, { once: true });
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    level(track.enabled ? loudness(samples) : 0);
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    document.removeEventListener('pointerdown', wake);
    void context.close().catch(() => {});
  };
}

/** The root mean square of a run of samples on a scale of decibels, 0 to 1. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12);
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}
