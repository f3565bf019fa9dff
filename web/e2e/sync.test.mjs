// Sound and picture of one instant carry one time: a flash with a beep, as two devices would bring it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goLive, LIVE, openPage, startBrowser, startServer, TEST_MAX } from './house.mjs';

/** So far apart they are seen to be apart (ITU-R BT.1359: 45 ms early, 125 ms late). */
const APART_MAX_MS = 100;
const PAIRS = 8;
/** So many of them count: before, the publisher learns how its clocks stand. */
const COUNTED = 5;

test('a flash and its beep are published with the same time', TEST_MAX, async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t, ['--autoplay-policy=no-user-gesture-required']);
  const publisher = await openPage(browser);
  await publisher.addInitScript(flashAndBeep);
  const link = await goLive(publisher, server.origin, LIVE);
  const viewer = await openPage(browser, { bypassCSP: true });
  await viewer.goto(`${server.origin}/health`);
  const url = `${server.origin.replace('http', 'ws')}/live/${new URL(link).pathname.split('/').at(-1)}`;
  const apart = await viewer.evaluate(measure, { url, pairs: PAIRS });
  t.diagnostic(`the beep comes ${apart.map(Math.round)} ms after the flash`);
  const middle = apart.slice(-COUNTED).sort((a, b) => a - b)[Math.floor(COUNTED / 2)];
  assert.ok(Math.abs(middle) < APART_MAX_MS, `${middle} ms apart`);
  assert.deepEqual(publisher.complaints, []);
});

/**
 * Runs in the publisher's page: camera and microphone that flash and beep for 200 ms of each second. Of the sound's own seconds:
 * a machine that is busy holds that clock up.
 */
function flashAndBeep() {
  let sound;
  let wasOn = false;
  // A flash that a busy machine would paint late is left out.
  const isOn = () => {
    const into = sound === undefined ? 1 : sound.currentTime % 1;
    wasOn = into < (wasOn ? 0.2 : 0.05);
    return wasOn;
  };
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (video) {
      const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 });
      const context = canvas.getContext('2d', { alpha: false });
      const stream = canvas.captureStream(30);
      const paint = () => {
        requestAnimationFrame(paint);
        context.fillStyle = isOn() ? '#fff' : '#000';
        context.fillRect(0, 0, 160, 120);
        // So that every picture is another.
        context.fillStyle = `hsl(${performance.now() % 360} 50% 50%)`;
        context.fillRect(0, 0, 8, 8);
      };
      paint();
      return stream;
    }
    sound = new AudioContext();
    const tone = new OscillatorNode(sound, { frequency: 1_000 });
    const gain = new GainNode(sound, { gain: 0 });
    const out = new MediaStreamAudioDestinationNode(sound);
    tone.connect(gain).connect(out);
    tone.start();
    for (let second = 0; second < 300; second++) {
      gain.gain.setValueAtTime(1, second);
      gain.gain.setValueAtTime(0, second + 0.2);
    }
    return out.stream;
  };
}

/** Runs in a page: decodes what comes through the door and compares the stream's own times. */
async function measure({ url, pairs }) {
  const socket = new WebSocket(url, 'abanico.watch.v1');
  socket.binaryType = 'arraybuffer';
  const flashes = [];
  const beeps = [];
  const onset = (into) => {
    let wasOn = true;
    return (isOn, timeMs) => {
      if (isOn && !wasOn) into.push(timeMs);
      wasOn = isOn;
    };
  };
  const sawFlash = onset(flashes);
  const heardBeep = onset(beeps);
  const canvas = new OffscreenCanvas(16, 12);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const decoders = new Map();
  const starving = new Set();
  const error = (what) => {
    throw what;
  };
  const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const makeVideo = ({ codec, description }) => {
    const decoder = new VideoDecoder({
      error,
      output(frame) {
        context.drawImage(frame, 0, 0, 16, 12);
        frame.close();
        sawFlash(context.getImageData(8, 6, 1, 1).data[1] > 127, frame.timestamp / 1_000);
      },
    });
    decoder.configure({ codec, optimizeForLatency: true, ...(description && { description: bytes(description) }) });
    return { decoder, Chunk: EncodedVideoChunk };
  };
  const makeAudio = ({ codec, sampleRate, channels, description }) => {
    // Chromium's decoder counts times in samples from the first packet's and sees no gap.
    const times = [];
    const decoder = new AudioDecoder({
      error,
      output(data) {
        const timestamp = times.shift();
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        const at = samples.findIndex((sample) => Math.abs(sample) > 0.2);
        heardBeep(at >= 0, (timestamp + (Math.max(0, at) / data.sampleRate) * 1_000_000) / 1_000);
        data.close();
      },
    });
    decoder.configure({
      codec,
      sampleRate,
      numberOfChannels: channels,
      ...(description && { description: bytes(description) }),
    });
    return { decoder, Chunk: EncodedAudioChunk, times };
  };
  return new Promise((resolve) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: 'watch' }));
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        const { type, tracks } = JSON.parse(data);
        if (type !== 'tracks') return;
        for (const track of tracks) {
          if (decoders.has(track.track)) continue;
          decoders.set(track.track, track.kind === 'video' ? makeVideo(track) : makeAudio(track));
          if (track.kind === 'video') starving.add(track.track);
        }
        return;
      }
      const view = new DataView(data);
      const number = view.getUint8(1);
      const isKeyframe = (view.getUint16(2) & 1) === 1;
      if (isKeyframe) starving.delete(number);
      if (starving.has(number)) return;
      const { decoder, Chunk, times } = decoders.get(number);
      const timestamp = Number(view.getBigInt64(12));
      times?.push(timestamp);
      decoder.decode(
        new Chunk({
          type: isKeyframe ? 'key' : 'delta',
          timestamp,
          duration: view.getUint32(8),
          data: new Uint8Array(data, 28),
        }),
      );
      // The newest beep may still wait for its flash.
      const apart = beeps
        .map((beep) => flashes.map((flash) => beep - flash).sort((a, b) => Math.abs(a) - Math.abs(b))[0])
        .filter((ms) => ms !== undefined && Math.abs(ms) < 500);
      if (apart.length >= pairs) resolve(apart);
    };
  });
}
