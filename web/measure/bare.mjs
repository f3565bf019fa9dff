// Pages without ours in them, to compare with: one that publishes JPEG pictures over the native door, and two that speak
// WebRTC with each other. The functions with a `window` in them run in a page.

/** A picture stream at its full rate, which our own pages do not send: they spare the uplink. */
export async function publishPictures(page, origin, streamKey, { width, height, framesPerSecond }) {
  await page.evaluate(
    async ({ url, width, height, framesPerSecond }) => {
      const socket = new WebSocket(url, 'abanico.publish.v1');
      socket.binaryType = 'arraybuffer';
      await new Promise((ready, failed) => {
        socket.onopen = () => socket.send(JSON.stringify({ type: 'publish' }));
        socket.onclose = ({ reason }) => failed(new Error(`the door closed: ${reason}`));
        socket.onmessage = ({ data }) => JSON.parse(data).type === 'ready' && ready();
      });
      const track = { track: 0, kind: 'video', codec: 'jpeg', width, height };
      socket.send(JSON.stringify({ type: 'tracks', tracks: [track] }));
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const { readable } = new window.MediaStreamTrackProcessor({
        track: stream.getVideoTracks()[0],
        maxBufferSize: 1,
      });
      const reader = readable.getReader();
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d', { alpha: false });
      const header = (sequence) => {
        const view = new DataView(new ArrayBuffer(28));
        view.setUint8(0, 1);
        view.setUint16(2, 1);
        view.setUint32(4, sequence);
        view.setUint32(8, Math.round(1_000_000 / framesPerSecond));
        view.setBigInt64(12, BigInt(Math.round(performance.now() * 1_000)));
        return view.buffer;
      };
      for (let sequence = 0; ; sequence++) {
        const { done, value } = await reader.read();
        if (done) return;
        const head = header(sequence);
        context.drawImage(value, 0, 0);
        value.close();
        if (sequence === 0) window.publishing = true;
        const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.7 });
        socket.send(new Blob([head, blob]));
      }
    },
    { url: `${origin.replace('http', 'ws')}/live/${streamKey}`, width, height, framesPerSecond },
  );
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
