// The design document's own clients, as it shows them: a page that sends pictures of its canvas as data URLs ten times a
// second and one that sets `img.src` to what it is given (option 1), and a page that sends what a MediaRecorder makes
// every half second as data URLs (option 2). Nothing of ours is in these pages but the server's own Socket.IO client.

const NAMES = { publisher: 'Document', viewer: 'Reader' };

/** Publishes as the document's streamer does; answers the stream's key. `option` is 1 or 2. */
export async function publishDocument(page, origin, option) {
  await bring(page, origin);
  return page.evaluate(option === 1 ? sendPictures : sendRecording, NAMES.publisher);
}

/** Watches as the document's viewer of option 1 does: the picture is in `#bare`. */
export async function watchDocument(page, origin, streamKey) {
  await bring(page, origin);
  await page.evaluate(showPictures, { username: NAMES.viewer, streamKey });
  await page.waitForFunction(() => document.querySelector('#bare')?.naturalWidth > 0);
}

/** An empty page of the server's with its Socket.IO client in it. */
async function bring(page, origin) {
  await page.goto(`${origin}/health`);
  await page.addScriptTag({ url: `${origin}/socket.io/socket.io.js` });
  await page.evaluate(() => {
    window.socket = window.io();
    window.answer = (event) => new Promise((resolve) => window.socket.once(event, resolve));
    window.begin = async (username) => {
      const { socket, answer } = window;
      socket.emit('user:register', { username, role: 'STREAMER' });
      await answer('user:registered');
      socket.emit('stream:create');
      const { stream } = await answer('stream:created');
      socket.emit('stream:start', { streamKey: stream.streamKey });
      await answer('stream:started');
      return stream.streamKey;
    };
  });
}

/** Runs in the publisher's page. */
async function sendPictures(username) {
  const { socket } = window;
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  document.body.replaceChildren(video);
  await video.play();
  const streamKey = await window.begin(username);
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  setInterval(() => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const data = canvas.toDataURL('image/jpeg', 0.7);
    socket.emit('stream:data:send', { streamKey, data });
  }, 100);
  return streamKey;
}

/** Runs in the publisher's page. */
async function sendRecording(username) {
  const { socket } = window;
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  const streamKey = await window.begin(username);
  const recorder = new MediaRecorder(stream, {
    mimeType: 'video/webm;codecs=vp8',
    videoBitsPerSecond: 2_500_000,
  });
  recorder.ondataavailable = ({ data }) => {
    if (data.size === 0) return;
    const reader = new FileReader();
    reader.onloadend = () => socket.emit('stream:data:send', { streamKey, data: reader.result });
    reader.readAsDataURL(data);
  };
  recorder.start(500);
  // Nothing else holds it, and what nothing holds may be collected while it runs.
  window.recorder = recorder;
  return streamKey;
}

/** Runs in the viewer's page. */
async function showPictures({ username, streamKey }) {
  const { socket } = window;
  const img = document.createElement('img');
  img.id = 'bare';
  document.body.replaceChildren(img);
  socket.on('stream:data', ({ data }) => {
    img.src = data;
  });
  socket.emit('user:register', { username, role: 'VIEWER' });
  await window.answer('user:registered');
  socket.emit('stream:join', { streamKey });
  await window.answer('stream:joined');
}
