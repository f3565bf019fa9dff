// What is put into the pages to measure from glass to glass: a camera that paints the time into its picture, and an eye
// that reads it back from what the player shows. Both functions run in a page.

/** Bits in a row of blocks: 24 of the time in ms, 8 of a check sum; a second row has the picture's number. */
export const COLUMNS = 32;

/**
 * Runs in the publisher's page: the camera is a canvas with the time in it, over noise that scrolls. `aside`: it is painted in a
 * worker, so that it goes on whatever the page does, as a camera does.
 */
export function paintedCamera({ width, height, framesPerSecond, aside = false }) {
  const every = 1_000 / framesPerSecond;
  // Where it is called it has nothing else of this page.
  function painter(canvas) {
    const { width, height } = canvas;
    const context = canvas.getContext('2d', { alpha: false });
    const noise = new OffscreenCanvas(width, height);
    const ink = noise.getContext('2d');
    for (let y = 0; y < height; y += 8) {
      for (let x = 0; x < width; x += 8) {
        ink.fillStyle = `hsl(${(x * 7 + y * 3) % 360} ${20 + ((x ^ y) % 60)}% ${30 + Math.random() * 40}%)`;
        ink.fillRect(x, y, 8, 8);
      }
    }
    const block = { width: width / 32, height: Math.round(height / 30) };
    let number = 0;
    const row = (value, at) => {
      for (let bit = 0; bit < 32; bit++) {
        context.fillStyle = (value >>> (31 - bit)) & 1 ? '#fff' : '#000';
        context.fillRect(bit * block.width, at * block.height, block.width, block.height);
      }
    };
    return () => {
      number += 1;
      const shift = (number * 4) % height;
      context.drawImage(noise, 0, shift);
      context.drawImage(noise, 0, shift - height);
      const time = Math.round(performance.timeOrigin + performance.now()) & 0xffffff;
      const check = (time ^ (time >>> 8) ^ (time >>> 16)) & 0xff;
      row(((time << 8) | check) >>> 0, 0);
      row(number >>> 0, 1);
    };
  }
  const here = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const paint = painter(canvas);
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    // At animation frames, because a canvas is only captured there: painted at another time, a picture would wait for one,
    // which no camera does.
    let next = 0;
    const tick = (now) => {
      requestAnimationFrame(tick);
      if (now < next - 4) return;
      next = Math.max(next + every, now);
      paint();
      track.requestFrame();
    };
    requestAnimationFrame(tick);
    return stream;
  };
  const inWorker = () => {
    const work = ({ writable, size, every }, painter) => {
      const canvas = new OffscreenCanvas(size.width, size.height);
      const paint = painter(canvas);
      const writer = writable.getWriter();
      let next = performance.now();
      const tick = () => {
        paint();
        writer.write(new VideoFrame(canvas, { timestamp: Math.round(performance.now() * 1_000) }));
        next = Math.max(next + every, performance.now());
        setTimeout(tick, next - performance.now());
      };
      tick();
    };
    const code = `onmessage = ({ data }) => (${work})(data, ${painter});`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
    const track = new window.MediaStreamTrackGenerator({ kind: 'video' });
    const { writable } = track;
    worker.postMessage({ writable, size: { width, height }, every }, [writable]);
    return new MediaStream([track]);
  };
  navigator.mediaDevices.getUserMedia = async ({ video, audio }) => {
    if (!video) throw new DOMException(`no microphone here ${audio}`, 'NotFoundError');
    return aside ? inWorker() : here();
  };
}

/** Runs in the viewer's page: `window.seen` grows by `{number, age, at}` for every new picture. */
export function eye() {
  window.seen = [];
  window.unreadable = 0;
  const canvas = new OffscreenCanvas(64, 4);
  const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false });
  let last = -1;
  const word = (data, row) => {
    let value = 0;
    for (let bit = 0; bit < 32; bit++) {
      // The middle of each block, two pixels wide here and two high.
      const at = ((row * 2 + 1) * 64 + bit * 2 + 1) * 4;
      value = (value << 1) | (data[at + 1] > 127 ? 1 : 0);
    }
    return value >>> 0;
  };
  const look = (surface, width, height, now) => {
    if (!width || !height) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(surface, 0, 0, width, Math.round(height / 30) * 2, 0, 0, 64, 4);
    const { data } = context.getImageData(0, 0, 64, 4);
    const first = word(data, 0);
    const number = word(data, 1);
    const time = first >>> 8;
    if (((time ^ (time >>> 8) ^ (time >>> 16)) & 0xff) !== (first & 0xff)) {
      window.unreadable += 1;
      return;
    }
    if (number === last) return;
    last = number;
    const age = ((Math.round(performance.timeOrigin + now) & 0xffffff) - time) & 0xffffff;
    window.seen.push({ number, age, at: now });
  };
  let watched;
  const frame = () => {
    requestAnimationFrame(frame);
    const player = document.querySelector('abanico-player')?.shadowRoot;
    const surface = player?.querySelector('.surface > :not(.behind)') ?? document.querySelector('#bare');
    if (surface instanceof HTMLCanvasElement) look(surface, surface.width, surface.height, performance.now());
    else if (surface instanceof HTMLImageElement)
      look(surface, surface.naturalWidth, surface.naturalHeight, performance.now());
    else if (surface && surface !== watched) {
      watched = surface;
      const next = (now, { presentedFrames }) => {
        if (presentedFrames) look(surface, surface.videoWidth, surface.videoHeight, now);
        surface.requestVideoFrameCallback(next);
      };
      surface.requestVideoFrameCallback(next);
    }
  };
  requestAnimationFrame(frame);
}
