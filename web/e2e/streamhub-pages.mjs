// StreamHub's two pages as peers, from what is known of them on the wire (their source is not here): the same events, the
// same payloads, no buffering of candidates, and never a word of `stream:data`. They are bare pages of another origin.

import http from 'node:http';
import { openPage } from './house.mjs';

/** A page of another origin, with one script of the server's in it and nothing else. */
export async function barePage(t, browser, origin, script = '/socket.io/socket.io.js') {
  const site = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><video autoplay muted playsinline></video>
      <script src="${origin}${script}"></script>`);
  });
  await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
  t.after(() => site.close());
  const page = await openPage(browser);
  t.after(() => page.context().close());
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  return page;
}

/**
 * StreamHub's streamer page. Its camera is ready after `window.allowCamera()`; a request that comes before is lost, as there.
 * `candidatesFirst`: the network brings the candidates before the offer.
 */
export async function streamHubStreamer(t, browser, origin, { candidatesFirst = false } = {}) {
  const page = await barePage(t, browser, origin);
  const streamKey = await page.evaluate(
    ([server, early]) => {
      const socket = window.io(server);
      const peers = new Map();
      window.heard = [];
      window.requests = 0;
      socket.onAny((name) => window.heard.push(name));
      let localStream;
      let key;
      window.allowCamera = () => {
        const canvas = document.createElement('canvas');
        canvas.width = 320;
        canvas.height = 240;
        const context = canvas.getContext('2d');
        let n = 0;
        setInterval(() => {
          n += 1;
          context.fillStyle = `hsl(${(n * 5) % 360} 80% 50%)`;
          context.fillRect(0, 0, 320, 240);
          context.fillStyle = '#fff';
          context.fillRect((n * 7) % 320, 40, 60, 160);
        }, 33);
        localStream = canvas.captureStream(30);
      };
      socket.on('connect', () => socket.emit('user:register', { username: 'hub-ada', role: 'STREAMER' }));
      socket.on('user:registered', () => socket.emit('stream:create'));
      socket.on('webrtc:request', async ({ socketId }) => {
        window.requests += 1;
        if (!localStream) return;
        const peer = new RTCPeerConnection();
        peers.set(socketId, peer);
        for (const track of localStream.getTracks()) peer.addTrack(track, localStream);
        const signal = (event, type, data) =>
          socket.emit(event, { type, data, from: socket.id, to: socketId, streamKey: key });
        let gathered;
        const all = new Promise((done) => {
          gathered = done;
        });
        peer.onicecandidate = ({ candidate }) => {
          if (candidate) signal('webrtc:ice-candidate', 'ice-candidate', candidate);
          else gathered();
        };
        const offer = await peer.createOffer();
        await peer.setLocalDescription(offer);
        // The description as it was made, without candidates.
        if (early) await all;
        signal('webrtc:offer', 'offer', offer);
      });
      socket.on('webrtc:answer', ({ data, from }) => peers.get(from)?.setRemoteDescription(data));
      socket.on('webrtc:ice-candidate', ({ data, from }) =>
        peers
          .get(from)
          ?.addIceCandidate(data)
          .catch(() => {}),
      );
      window.fallSilent = () => {
        for (const peer of peers.values()) for (const sender of peer.getSenders()) sender.replaceTrack(null);
      };
      return new Promise((created) => {
        socket.on('stream:created', ({ stream }) => {
          key = stream.streamKey;
          socket.emit('stream:start', { streamKey: key });
          created(key);
        });
      });
    },
    [origin, candidatesFirst],
  );
  return { page, streamKey };
}

/** StreamHub's viewer page: joins, asks once, and shows the stream of the track. */
export async function streamHubViewer(t, browser, origin, streamKey) {
  const page = await barePage(t, browser, origin);
  await page.evaluate(
    ([server, key]) => {
      const socket = window.io(server);
      const video = document.querySelector('video');
      let peer;
      let me;
      window.asked = 0;
      window.offered = 0;
      window.leave = () => socket.emit('stream:leave', { streamKey: key });
      socket.on('connect', () => socket.emit('user:register', { username: 'hub-bob', role: 'VIEWER' }));
      socket.on('user:registered', ({ user }) => {
        me = user;
        socket.emit('stream:join', { streamKey: key });
      });
      socket.on('stream:joined', () => {
        window.asked += 1;
        socket.emit('webrtc:request', { streamKey: key, viewerId: me.id, socketId: socket.id });
      });
      socket.on('webrtc:offer', async ({ data, from }) => {
        window.offered += 1;
        peer = new RTCPeerConnection();
        const signal = (event, type, payload) =>
          socket.emit(event, { type, data: payload, from: socket.id, to: from, streamKey: key });
        peer.onicecandidate = ({ candidate }) => {
          if (candidate) signal('webrtc:ice-candidate', 'ice-candidate', candidate);
        };
        peer.ontrack = ({ streams }) => {
          video.srcObject = streams[0];
        };
        await peer.setRemoteDescription(data);
        const answer = await peer.createAnswer();
        await peer.setLocalDescription(answer);
        signal('webrtc:answer', 'answer', answer);
      });
      socket.on('webrtc:ice-candidate', ({ data }) => peer?.addIceCandidate(data).catch(() => {}));
      // What it shows: how many pictures, and how many of them differ from the one before.
      window.shown = 0;
      window.different = 0;
      const context = new OffscreenCanvas(16, 12).getContext('2d', { willReadFrequently: true });
      let before = '';
      const look = () => {
        window.shown += 1;
        context.drawImage(video, 0, 0, 16, 12);
        const now = context.getImageData(0, 0, 16, 12).data.join();
        if (now !== before) window.different += 1;
        before = now;
        video.requestVideoFrameCallback(look);
      };
      video.requestVideoFrameCallback(look);
    },
    [origin, streamKey],
  );
  return page;
}
