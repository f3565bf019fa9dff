// Receives a stream over the native door, decodes it and draws it, in a worker: a busy page does not stop the picture.
//
// Nobody sees or hears it: it asks the server for silence and decodes nothing. It is heard but not seen: only sound is
// decoded. It is seen again: it goes on at live age.

import { LINK, localNow } from '../../native/link.ts';
import type { AudioTrack, Track, VideoTrack } from '../../native/messages.ts';
import { WatchDoor } from '../../native/watch-door.ts';
import type { FromPlayerWorker, ToPlayerWorker } from './messages.ts';
import { PageScreen } from './page-screen.ts';
import { PictureDecoding } from './picture-decoding.ts';
import { Screen, type Surface } from './screen.ts';
import { SoundDecoding } from './sound-decoding.ts';
import { type Decoding, type DecodingHost, VideoDecoding } from './video-decoding.ts';

const STATS_EVERY_MS = 250;

let door: WatchDoor | undefined;
let screen: Surface | undefined;
let ownScreen: Screen | undefined;
let pageScreen: PageScreen | undefined;
let video: { track: VideoTrack; decoding: Decoding } | undefined;
let audio: { track: AudioTrack; decoding: SoundDecoding } | undefined;
let soundPort: MessagePort | null = null;
/** Heard, but not seen. */
let isBlind = false;
let isSeen = true;
let lost = 0;
let bytes = 0;
let arrived = 0;

self.onmessage = ({ data }: MessageEvent<ToPlayerWorker>) => {
  switch (data.type) {
    case 'start':
      if (data.canvas) screen = ownScreen = makeScreen(data.canvas);
      else screen = pageScreen = new PageScreen(tell);
      door = openDoor(data.url, data.isVisible);
      setInterval(tellStats, STATS_EVERY_MS);
      break;
    case 'visible':
      setVisible(data.isVisible);
      break;
    case 'sound':
      soundPort = data.port;
      if (audio) audio.decoding.port = soundPort;
      if (!isSeen) setVisible(false);
      break;
    case 'released':
      pageScreen?.released();
      video?.decoding.pump();
      break;
    case 'due':
      if (pageScreen) pageScreen.dueOffset = data.offsetMs;
      break;
    case 'sound-clock':
      if (audio) audio.decoding.clock = data.clock;
      break;
    case 'close':
      door?.close();
      video?.decoding.close();
      audio?.decoding.close();
      screen?.clear();
      self.close();
      break;
  }
};

function tell(message: FromPlayerWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

function makeScreen(canvas: OffscreenCanvas): Screen {
  return new Screen(canvas, {
    drawn: ({ capturedAt }) =>
      tell({ type: 'shown', delayMs: capturedAt > 0 && door ? door.serverNow() - capturedAt : undefined }),
    sized: (width, height) => tell({ type: 'sized', width, height }),
    released: () => video?.decoding.pump(),
    heard: (now) => audio?.decoding.heard(now),
  });
}

function openDoor(url: string, isVisible: boolean): WatchDoor {
  const opened = new WatchDoor(url, {
    welcome: ({ paused, publisherPresent, viewers }) =>
      tell({ type: 'welcome', isPaused: paused, isPublisherPresent: publisherPresent, viewers }),
    tracks: setTracks,
    frame(frame, arrivedAt) {
      const arrival = performance.timeOrigin + arrivedAt;
      bytes += frame.payload.length;
      const time = frame.timestamp / 1_000;
      if (frame.track === video?.track.track) {
        if (isBlind) return;
        arrived += 1;
        screen?.arrived(arrival, time);
        video.decoding.take(frame, arrival);
      } else if (frame.track === audio?.track.track && audio.decoding.isOn) {
        if (video) screen?.soundArrived(arrival, time);
        else screen?.arrived(arrival, time);
        audio.decoding.schedule(screen?.dueOffset ?? 0);
        audio.decoding.take(frame);
      }
    },
    restarted() {
      screen?.restart();
      video?.decoding.restart();
      audio?.decoding.restart();
    },
    skipped(frames) {
      lost += frames;
      tell({ type: 'skipped', frames });
    },
    paused: (isPaused) => tell({ type: 'paused', isPaused }),
    publisher: (isPresent) => tell({ type: 'publisher', isPresent }),
    viewers: (count) => tell({ type: 'viewers', count }),
    ended: () => tell({ type: 'ended' }),
    link: (state) => {
      if (state === LINK.cut) audio?.decoding.restart();
      tell({ type: 'link', state });
    },
    refused: (reason, message, isFinal) => tell({ type: 'refused', reason, message, isFinal }),
  });
  if (!isVisible) opened.hold();
  opened.open();
  return opened;
}

function setTracks(tracks: readonly Track[]): void {
  const newVideo = tracks.find((track) => track.kind === 'video');
  const newAudio = tracks.find((track) => track.kind === 'audio');
  if (JSON.stringify(newVideo) !== JSON.stringify(video?.track)) {
    video?.decoding.close();
    video = newVideo && { track: newVideo, decoding: makeDecoding(newVideo) };
  }
  if (JSON.stringify(newAudio) !== JSON.stringify(audio?.track)) {
    audio?.decoding.close();
    audio = newAudio && { track: newAudio, decoding: new SoundDecoding(newAudio, toldHeard) };
    if (audio && soundPort) audio.decoding.port = soundPort;
  }
  tell({ type: 'tracks', tracks });
}

function toldHeard(timeMs: number, at: number): void {
  if (pageScreen) tell({ type: 'heard', timeMs, at });
}

function makeDecoding(track: VideoTrack): Decoding {
  const host: DecodingHost = {
    decoded: ({ image, timestamp, arrival, capturedAt }) =>
      screen?.show({ image, time: timestamp / 1_000, arrival, capturedAt: capturedAt / 1_000 }),
    lost(frames) {
      lost += frames;
      if (track.codec !== 'jpeg') door?.lost(track.track);
    },
    failed: (failure) => tell({ type: 'failed', failure }),
    waiting: () => screen?.waiting ?? 0,
    overdueMs: (timestamp) => localNow() - timestamp / 1_000 - (screen?.dueOffset ?? 0),
  };
  return track.codec === 'jpeg' ? new PictureDecoding(host) : new VideoDecoding(track, host);
}

function setVisible(isVisible: boolean): void {
  isSeen = isVisible;
  if (isVisible) {
    door?.resume();
    if (isBlind && video) door?.lost(video.track.track);
    isBlind = false;
    return;
  }
  isBlind = soundPort !== null && audio !== undefined;
  if (!isBlind) door?.hold();
  video?.decoding.restart();
  screen?.clear();
}

function tellStats(): void {
  tell({
    type: 'stats',
    stats: {
      skipped: (ownScreen?.skipped ?? 0) + lost,
      bufferMs: ownScreen?.bufferMs ?? 0,
      bytes,
      arrived,
      clockOffsetMs: door ? door.serverNow() - localNow() : 0,
    },
  });
  bytes = 0;
  arrived = 0;
}
