// A clock for pages that may be hidden: a worker's timers are not slowed down.

self.onmessage = ({ data }: MessageEvent<number>) => {
  setInterval(() => self.postMessage(null), data);
};
