// Pages without ours in them that publish by WHIP and watch by WHEP, and a network between them and the server that loses
// some datagrams and takes its time with the rest.

import dgram from 'node:dgram';
import { once } from 'node:events';

/** Publishes the page's camera, in that codec if it can be had. */
export async function publishWhip(page, origin, key, bitsPerSecond, codec = 'h264') {
  await page.goto(`${origin}/health`);
  await page.evaluate(
    async ({ url, bitsPerSecond, codec }) => {
      const media = await navigator.mediaDevices.getUserMedia({ video: true });
      const [track] = media.getVideoTracks();
      track.contentHint = 'motion';
      const peer = new RTCPeerConnection();
      window.peer = peer;
      const transceiver = peer.addTransceiver(track, { direction: 'sendonly' });
      const { codecs } = RTCRtpSender.getCapabilities('video');
      const isWanted = ({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`;
      const others = codecs.filter((one) => !isWanted(one));
      transceiver.setCodecPreferences([...codecs.filter(isWanted), ...others]);
      const parameters = transceiver.sender.getParameters();
      parameters.encodings[0].maxBitrate = bitsPerSecond;
      parameters.degradationPreference = 'maintain-resolution';
      await transceiver.sender.setParameters(parameters);
      await peer.setLocalDescription();
      const headers = { 'Content-Type': 'application/sdp', Authorization: 'Bearer measure' };
      const answer = await fetch(url, { method: 'POST', headers, body: peer.localDescription.sdp });
      if (answer.status !== 201) throw new Error(await answer.text());
      await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    },
    { url: `${origin}/whip/${key}`, bitsPerSecond, codec },
  );
}

/** Shows the stream in `#bare`. Answers what the receiver counted, when it is asked. */
export async function watchWhep(page, origin, key) {
  await page.goto(`${origin}/health`);
  await page.evaluate(async (url) => {
    const peer = new RTCPeerConnection();
    window.peer = peer;
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => {
      const video = Object.assign(document.createElement('video'), { id: 'bare', muted: true });
      video.srcObject = new MediaStream([track]);
      document.body.replaceChildren(video);
      void video.play();
    };
    await peer.setLocalDescription();
    const headers = { 'Content-Type': 'application/sdp' };
    // It is there when its first picture is.
    const until = performance.now() + 10_000;
    for (;;) {
      const answer = await fetch(url, { method: 'POST', headers, body: peer.localDescription.sdp });
      const text = await answer.text();
      if (answer.status === 201) return peer.setRemoteDescription({ type: 'answer', sdp: text });
      if (performance.now() > until) throw new Error(text);
    }
  }, `${origin}/whep/${key}`);
  await page.waitForFunction(() => document.querySelector('#bare')?.videoWidth > 0);
  return () =>
    page.evaluate(async () => {
      const report = [...(await window.peer.getStats()).values()];
      const inbound = report.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
      const wanted = [
        'packetsReceived',
        'packetsLost',
        'retransmittedPacketsReceived',
        'nackCount',
        'pliCount',
        'freezeCount',
      ];
      return Object.fromEntries(wanted.map((name) => [name, inbound[name]]));
    });
}

/**
 * A network for UDP: `loss` of a hundred datagrams are lost each way, the others take `delay` milliseconds. Answers the port
 * that peers find, to be told to the server, and a function that is told the server's own.
 */
export async function startNetwork(house, { loss, delay }) {
  const front = dgram.createSocket('udp4');
  front.bind(0, '127.0.0.1');
  await once(front, 'listening');
  const backs = new Map();
  let server;
  let isOver = false;
  const carry = (send) => {
    if (Math.random() * 100 >= loss) setTimeout(() => isOver || send(), delay);
  };
  front.on('message', (datagram, { port, address }) => {
    const client = `${address}:${port}`;
    let back = backs.get(client);
    if (!back) {
      back = dgram.createSocket('udp4');
      backs.set(client, back);
      back.on('message', (answer) => carry(() => front.send(answer, port, address)));
    }
    carry(() => back.send(datagram, server, '127.0.0.1'));
  });
  house.after(() => {
    isOver = true;
    front.close();
    for (const back of backs.values()) back.close();
  });
  return { port: front.address().port, serverIs: (port) => (server = port) };
}
