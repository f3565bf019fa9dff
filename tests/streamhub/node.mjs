// A running server, and clients that speak to it with the official socket.io-client.
//
// A client writes down every event in the order it came. To say that something did not come, a test uses a barrier: a
// question whose answer comes after everything that was sent before it. Nobody sleeps.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fromWeb = createRequire(join(root, 'web/package.json'));
const { io } = fromWeb('socket.io-client');
export const { WebSocket } = fromWeb('ws');
const binary = process.env.ABANICO_BIN ?? join(root, 'target/debug/abanico');

/** How long anything may take before a test gives up: it ends one that would hang, and times none. */
const PATIENCE_MS = 30_000;

export class Server {
  static async start({ args = [], env = {}, data, port = 0 } = {}) {
    const folder = data ?? (await mkdtemp(join(tmpdir(), 'abanico-')));
    const child = spawn(binary, ['--listen', `127.0.0.1:${port}`, '--data', folder, ...args], {
      env: { ...process.env, ABANICO_LOG: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new Server();
    Object.assign(server, { child, folder, keep: Boolean(data), clients: [], log: '' });
    child.stderr.on('data', (text) => (server.log += text));
    server.exited = once(child, 'exit');
    let said = '';
    for await (const text of child.stdout) {
      said += text;
      const address = said.match(/http:\/\/127\.0\.0\.1:(\d+)\//);
      if (address) {
        server.port = Number(address[1]);
        server.url = address[0].slice(0, -1);
        break;
      }
    }
    assert.ok(server.url, `the server said no address: ${said}${server.log}`);
    child.stdout.resume?.();
    return server;
  }

  async client(options = {}) {
    const client = new Client(this.url, options);
    this.clients.push(client);
    await client.next('connect');
    return client;
  }

  /** A client that has registered. */
  async user(username, role = 'VIEWER', options = {}) {
    const client = await this.client(options);
    await client.register({ username, role });
    return client;
  }

  /** A streamer with a stream that is live. */
  async publisher(username = 'ada', options = {}) {
    const client = await this.user(username, 'STREAMER', options);
    await client.create();
    client.emit('stream:start', { streamKey: client.key });
    await client.next('stream:started');
    return client;
  }

  async viewer(key, username = 'bob', options = {}) {
    const client = await this.user(username, 'VIEWER', options);
    await client.join(key);
    return client;
  }

  async json(path) {
    return (await fetch(this.url + path)).json();
  }

  /** Asks again and again until it is so. */
  async until(isSo) {
    const late = Date.now() + PATIENCE_MS;
    while (!(await isSo())) {
      assert.ok(Date.now() < late, `it never became so: ${isSo}`);
      // What is asked for may come with the next turn of the loop, which an answer that is there at once does not bring.
      await turn();
    }
  }

  alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async kill(signal) {
    this.child.kill(signal);
    await this.exited;
  }

  async stop() {
    for (const client of this.clients) client.socket.disconnect();
    if (this.alive()) await this.kill('SIGKILL');
    if (!this.keep) await rm(this.folder, { recursive: true, force: true });
  }
}

export class Client {
  #waiting = [];
  #barriers = 0;

  constructor(url, options) {
    this.events = [];
    this.read = 0;
    this.socket = io(url, { forceNew: true, reconnection: false, transports: ['websocket'], ...options });
    const take = (name, payload) => {
      this.events.push({ name, payload });
      this.#waiting.splice(0).forEach((wake) => wake());
    };
    this.socket.onAny((name, payload) => take(name, payload));
    this.socket.on('connect', () => take('connect'));
    this.socket.on('disconnect', (reason) => take('disconnect', reason));
    this.socket.on('connect_error', (error) => take('connect_error', error.message));
  }

  get id() {
    return this.socket.id;
  }

  emit(name, ...args) {
    this.socket.emit(name, ...args);
  }

  /** Sends a Socket.IO packet as it stands, for what the official client would not write. */
  packet(text) {
    this.socket.io.engine.write(text);
  }

  /** The next event of this name that was not read yet, and fits. What comes before it counts as read. */
  async next(name, fits = () => true) {
    const late = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      while (this.read < this.events.length) {
        const event = this.events[this.read++];
        if (event.name === name && fits(event.payload)) return event.payload;
      }
      await new Promise((resolve, reject) => {
        this.#waiting.push(resolve);
        late.addEventListener('abort', () => reject(new Error(`no ${name} came; there were ${this.names().slice(-20)}`)));
      });
    }
  }

  /** Waits until everything that the server sent this client so far is here. */
  async barrier() {
    const id = `barrier-${this.#barriers++}`;
    const from = this.read;
    this.emit('clock:get', { id });
    await this.next('clock:now', (now) => now.id === id);
    this.read = from;
  }

  names() {
    return this.events.map((event) => event.name).filter((name) => name !== 'clock:now');
  }

  all(name) {
    return this.events.filter((event) => event.name === name).map((event) => event.payload);
  }

  /** Forgets what came so far. */
  forget() {
    this.events.length = 0;
    this.read = 0;
  }

  async register(who) {
    this.emit('user:register', who);
    const { user, resumeToken } = await this.next('user:registered');
    Object.assign(this, { user, resumeToken });
    return user;
  }

  async create() {
    this.emit('stream:create');
    const { stream, publishToken } = await this.next('stream:created');
    Object.assign(this, { stream, key: stream.streamKey, publishToken });
    return stream;
  }

  async join(key) {
    this.emit('stream:join', { streamKey: key });
    return this.next('stream:joined');
  }

  send(data, more = {}) {
    this.emit('stream:data:send', { streamKey: this.key, data, ...more });
  }

  /** Breaks the connection as a cable does: no goodbye of any kind. */
  cut() {
    this.#wire.destroy();
  }

  /** Stops reading, as a viewer does whose network has gone slow. */
  stall() {
    this.#wire.pause();
  }

  /** Reads on. */
  resume() {
    this.#wire.resume();
  }

  get #wire() {
    return this.socket.io.engine.transport.ws._socket;
  }
}

/** Everything that the first clients did has reached the others. */
export async function settled(...clients) {
  for (const client of clients) await client.barrier();
  for (const client of clients) await client.barrier();
}
