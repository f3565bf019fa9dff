// Pages without ours in them, to compare with: one that publishes JPEG pictures over the native door, and two that speak
// WebRTC with each other.

/**
 * A picture stream at its full rate, which our own pages do not send: they spare the uplink. Encoded in a worker, as ours
 * are; on a page a canvas encodes when it has nothing else to do.
 */
export async function publishPictures(page, origin, streamKey) {
  const url = `${origin.replace('http', 'ws')}/live/${streamKey}`;
  await page.evaluate(
    async ({ code, url }) => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const { readable } = new window.MediaStreamTrackProcessor({
        track: stream.getVideoTracks()[0],
        maxBufferSize: 1,
      });
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
      window.worker = worker;
      worker.postMessage({ url, readable }, [readable]);
      await new Promise((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = ({ message }) => reject(new Error(message));
      });
    },
    { code: `onmessage = ({ data }) => (${encodePictures})(data);`, url },
  );
}

/** Runs in a worker. */
async function encodePictures({ url, readable }) {
  const socket = new WebSocket(url, 'abanico.publish.v1');
  await new Promise((ready) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: 'publish' }));
    socket.onmessage = ({ data }) => JSON.parse(data).type === 'ready' && ready();
  });
  socket.send(JSON.stringify({ type: 'tracks', tracks: [{ track: 0, kind: 'video', codec: 'jpeg' }] }));
  const reader = readable.getReader();
  const canvas = new OffscreenCanvas(2, 2);
  const context = canvas.getContext('2d', { alpha: false });
  for (let sequence = 0; ; sequence++) {
    const { done, value } = await reader.read();
    if (done) return;
    // Server and browser are on one machine: they have one clock.
    const capturedAt = (performance.timeOrigin + performance.now()) * 1_000;
    const head = new DataView(new ArrayBuffer(28));
    head.setUint8(0, 1);
    head.setUint16(2, 1);
    head.setUint32(4, sequence);
    head.setBigInt64(12, BigInt(Math.round(performance.now() * 1_000)));
    head.setBigInt64(20, BigInt(Math.round(capturedAt)));
    if (canvas.width !== value.displayWidth) {
      canvas.width = value.displayWidth;
      canvas.height = value.displayHeight;
    }
    context.drawImage(value, 0, 0);
    value.close();
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.7 });
    socket.send(await new Blob([head.buffer, blob]).arrayBuffer());
    if (sequence === 0) self.postMessage('sending');
  }
}

/** Two pages call each other, H.264 if it can be had; the viewer's shows the picture in `#bare`. */
export async function call(publisher, viewer, bitsPerSecond) {
  await Promise.all([
    publisher.exposeFunction('tellPeer', (said) => viewer.evaluate((message) => window.told(message), said)),
    viewer.exposeFunction('tellPeer', (said) => publisher.evaluate((message) => window.told(message), said)),
  ]);
  await viewer.evaluate(meet, undefined);
  await publisher.evaluate(meet, bitsPerSecond);
}

/** `bitsPerSecond`: of who sends; undefined for who watches. */
async function meet(bitsPerSecond) {
  const peer = new RTCPeerConnection();
  peer.onicecandidate = ({ candidate }) => candidate && window.tellPeer({ candidate: candidate.toJSON() });
  // One after the other: what is told of must find what was told before.
  let order = Promise.resolve();
  window.told = ({ candidate, description }) => {
    order = order.then(async () => {
      if (candidate) await peer.addIceCandidate(candidate);
      if (!description) return;
      await peer.setRemoteDescription(description);
      if (description.type !== 'offer') return;
      await peer.setLocalDescription();
      void window.tellPeer({ description: peer.localDescription.toJSON() });
    });
  };
  if (bitsPerSecond === undefined) {
    peer.ontrack = ({ track, receiver }) => {
      receiver.jitterBufferTarget = 0;
      const video = document.createElement('video');
      video.id = 'bare';
      video.muted = true;
      video.srcObject = new MediaStream([track]);
      document.body.replaceChildren(video);
      void video.play();
    };
    return;
  }
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  const [track] = stream.getVideoTracks();
  track.contentHint = 'motion';
  const transceiver = peer.addTransceiver(track, { direction: 'sendonly' });
  const { codecs } = RTCRtpSender.getCapabilities('video');
  const isH264 = ({ mimeType }) => mimeType === 'video/H264';
  transceiver.setCodecPreferences([...codecs.filter(isH264), ...codecs.filter((codec) => !isH264(codec))]);
  const parameters = transceiver.sender.getParameters();
  parameters.encodings[0].maxBitrate = bitsPerSecond;
  parameters.degradationPreference = 'maintain-resolution';
  await transceiver.sender.setParameters(parameters);
  await peer.setLocalDescription();
  void window.tellPeer({ description: peer.localDescription.toJSON() });
}
