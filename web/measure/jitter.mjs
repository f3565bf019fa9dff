// A wire that is uneven one way: what the server sends is held back for a random time and keeps its order, as TCP does.
// A process of its own, so that nothing else delays it:
//
//   node jitter.mjs SERVER-PORT FROM-MS TO-MS
//
// Says its own port on a line, and ends with its standard input.

import net from 'node:net';
import { setTimeout } from 'node:timers/promises';

const [port, from, to] = process.argv.slice(2).map(Number);

/** Passes bytes on, each lot after a time of its own and never before the lot that came before it. */
function holdBack(source, sink) {
  let order = Promise.resolve();
  source.on('data', (bytes) => {
    const due = performance.now() + from + Math.random() * (to - from);
    order = order.then(() => setTimeout(due - performance.now())).then(() => sink.write(bytes));
  });
}

const relay = net.createServer({ noDelay: true }, (near) => {
  const far = net.connect({ port, host: '127.0.0.1', noDelay: true });
  near.on('data', (bytes) => far.write(bytes));
  holdBack(far, near);
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ]) {
    socket.on('error', () => other.destroy());
    socket.on('close', () => other.destroy());
  }
});
relay.listen(0, '127.0.0.1', () => console.log(relay.address().port));
process.stdin.on('end', () => process.exit()).resume();
