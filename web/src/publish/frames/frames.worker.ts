// Encodes a publisher's picture and sound and sends each frame as one message, in a worker: a hidden tab and a busy page
// do not slow it. What is encoded is sent at once; what could not be sent at once is not encoded.

import { frameMessage, HEADER_BYTES } from '../../native/frame.ts';
import type { Track } from '../../native/messages.ts';
import { PublishDoor } from '../../native/publish-door.ts';
import { AudioEncoding } from './audio-encoding.ts';
import type { FramesSource, FromFramesWorker, ToFramesWorker } from './messages.ts';
import { RateController } from './rate-controller.ts';
import { Stills } from './still.ts';
import { Timeline } from './timeline.ts';
import { VideoEncoding } from './video-encoding.ts';

const VIDEO = 0;
const AUDIO = 1;
const STATS_EVERY_MS = 500;

type Processor<T> = new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => { readable: ReadableStream<T> };

let door: PublishDoor | undefined;
let stopSource = () => {};
let isPaused = false;
let sequence = 0;
let sent = 0;
let dropped = 0;
let bytes = 0;
let rate = new RateController(1);
let encoding: VideoEncoding | undefined;
const tracks = new Map<number, Track>();
const stills = new Stills((jpeg) =>
  self.postMessage({ type: 'still', jpeg } satisfies FromFramesWorker, { transfer: [jpeg] }),
);

self.onmessage = ({ data }: MessageEvent<ToFramesWorker>) => {
  switch (data.type) {
    case 'start':
      door = openDoor(data.url, data.token);
      take(data.source);
      setInterval(tellStats, STATS_EVERY_MS);
      break;
    case 'source':
      take(data.source);
      break;
    case 'pause':
      isPaused = data.paused;
      encoding?.wishKeyframe();
      break;
    case 'stop':
      stopSource();
      door?.close();
      self.close();
      break;
  }
};

function tell(message: FromFramesWorker): void {
  self.postMessage(message);
}

function openDoor(url: string, token: string | undefined): PublishDoor {
  const opened = new PublishDoor(url, token, {
    ready(ready) {
      if (tracks.size > 0) opened.sendTracks([...tracks.values()]);
      encoding?.wishKeyframe();
      tell({ type: 'ready', token: ready.token });
    },
    keyframe: () => encoding?.wishKeyframe(),
    viewers: (count) => tell({ type: 'viewers', count }),
    warning: (code, message) => tell({ type: 'warning', code, message }),
    ended: () => tell({ type: 'ended' }),
    link: (state) => tell({ type: 'link', state }),
    refused: (reason, message, isFinal) => tell({ type: 'refused', reason, message, isFinal }),
  });
  opened.open();
  return opened;
}

/** Encodes another source from now on. */
function take(source: FramesSource): void {
  stopSource();
  tracks.clear();
  rate = new RateController(source.limits.bitsPerSecond);
  const stop = new AbortController();
  const video = takeVideo(source);
  encoding = video;
  const videoTimeline = new Timeline();
  void read<VideoFrame>(source.video, 'MediaStreamTrackProcessor', 1, stop.signal, (frame) => {
    const now = performance.now();
    if (!mayGo() || !video.isDue(now)) {
      frame.close();
      return;
    }
    const { skip, change } = rate.judge({ waitingBytes: door?.bufferedAmount ?? 0, lateMs: door?.lateMs() ?? 0 }, now);
    if (change) changeBitrate(change);
    if (skip) {
      dropped += 1;
      frame.close();
      return;
    }
    videoTimeline.observe(frame.timestamp, now * 1_000);
    stills.look(frame, now);
    if (!video.take(frame, now)) dropped += 1;
  });
  const audioTimeline = new Timeline();
  const audio = takeAudio(audioTimeline);
  if (source.audio) {
    void read<AudioData>(source.audio, 'MediaStreamTrackProcessor', 10, stop.signal, (data) => {
      if (!mayGo()) {
        audio.restart();
        data.close();
        return;
      }
      audioTimeline.observe(data.timestamp + data.duration, performance.now() * 1_000);
      audio.take(data);
    });
  }
  stopSource = () => {
    stop.abort();
    video.close();
    audio.restart();
  };

  function takeVideo({ limits }: FramesSource): VideoEncoding {
    return new VideoEncoding(limits, {
      track(track) {
        setTrack({ ...track, track: VIDEO });
        tell({ type: 'codec', codec: track.codec });
      },
      chunk: (chunk) => send(VIDEO, chunk, videoTimeline.place(chunk.timestamp)),
      unable: (message) => tell({ type: 'unable', message }),
    });
  }
}

function takeAudio(timeline: Timeline): AudioEncoding {
  return new AudioEncoding({
    track: (track) => setTrack({ ...track, track: AUDIO }),
    chunk: (chunk, time) => send(AUDIO, chunk, timeline.place(time)),
    unable: (message) => tell({ type: 'warning', code: 'no-sound', message }),
  });
}

function mayGo(): boolean {
  return !isPaused && door !== undefined && door.isReady;
}

async function read<T extends VideoFrame | AudioData>(
  source: ReadableStream<T> | MediaStreamTrack,
  processor: 'MediaStreamTrackProcessor',
  maxBufferSize: number,
  signal: AbortSignal,
  take: (item: T) => void,
): Promise<void> {
  let readable = source as ReadableStream<T>;
  if (!(source instanceof ReadableStream)) {
    const MakeProcessor = (self as unknown as Record<string, Processor<T> | undefined>)[processor];
    if (!MakeProcessor) {
      tell({ type: 'unable', message: 'this browser does not give frames of a track' });
      return;
    }
    readable = new MakeProcessor({ track: source, maxBufferSize }).readable;
  }
  const reader = readable.getReader();
  signal.addEventListener('abort', () => void reader.cancel().catch(() => {}));
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (signal.aborted) value.close();
    else take(value);
  }
}

function setTrack(track: Track): void {
  tracks.set(track.track, track);
  door?.sendTracks([...tracks.values()]);
}

/** `timestamp`: when it happened, in microseconds of this worker's clock. */
function send(track: number, chunk: EncodedVideoChunk | EncodedAudioChunk, timestamp: number): void {
  if (!door || !tracks.has(track)) return;
  const message = frameMessage(
    {
      track,
      isKeyframe: chunk.type === 'key',
      isAfterGap: false,
      sequence,
      duration: chunk.duration ?? 0,
      timestamp,
      capturedAt: door.toServerMicros(performance.timeOrigin + timestamp / 1_000),
    },
    chunk.byteLength,
  );
  chunk.copyTo(message.subarray(HEADER_BYTES));
  if (!door.sendFrame(message)) {
    // What follows would refer to a frame that nobody has.
    if (track === VIDEO) encoding?.wishKeyframe();
    return;
  }
  sequence += 1;
  bytes += message.length;
  if (track === VIDEO) sent += 1;
}

function changeBitrate(change: 'lowered' | 'raised'): void {
  if (encoding) encoding.bitsPerSecond = rate.bitsPerSecond;
  // The way up is long and of no interest until it is done.
  if (change === 'raised' && !rate.isNominal) return;
  tell({ type: 'bitrate', change, kilobits: Math.round(rate.bitsPerSecond / 1_000) });
}

function tellStats(): void {
  tell({ type: 'stats', stats: { sent, dropped, bytes, bitsPerSecond: rate.bitsPerSecond } });
  bytes = 0;
}
