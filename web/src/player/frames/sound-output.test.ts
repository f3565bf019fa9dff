import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SoundOutput } from './sound-output.ts';

/** Nodes that are connected: what is heard. */
const heard = new Set<object>();
let loaded = () => {};
let newest: { state: string };

class FakeContext {
  state = 'running';
  currentTime = 0;
  audioWorklet = {
    addModule: () =>
      new Promise<void>((resolve) => {
        loaded = resolve;
      }),
  };

  constructor() {
    newest = this;
  }

  createGain() {
    return { gain: { value: 1 }, connect() {} };
  }

  async resume(): Promise<void> {}

  async close(): Promise<void> {
    this.state = 'closed';
  }
}

class FakeNode {
  port = { postMessage() {} };

  constructor(context: FakeContext) {
    if (context.state === 'closed') throw new DOMException('closed', 'InvalidStateError');
  }

  connect(): void {
    heard.add(this);
  }

  disconnect(): void {
    heard.delete(this);
  }
}

function output() {
  const ports: (MessagePort | null)[] = [];
  return { ports, made: new SoundOutput((port) => ports.push(port), vi.fn()) };
}

beforeEach(() => {
  heard.clear();
  vi.useFakeTimers();
  vi.stubGlobal('AudioContext', FakeContext);
  vi.stubGlobal('AudioWorkletNode', FakeNode);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what is muted while the ring is loaded is not heard', async () => {
  const { made, ports } = output();
  const started = made.start();
  made.stop();
  loaded();
  expect(await started).toBe(true);
  expect(heard.size).toBe(0);
  expect(ports).toEqual([null]);
});

test('what is muted while the browser is waited for is not heard', async () => {
  const { made } = output();
  newest.state = 'suspended';
  const started = made.start();
  loaded();
  await vi.advanceTimersByTimeAsync(50);
  made.stop();
  newest.state = 'running';
  await vi.advanceTimersByTimeAsync(50);
  expect(await started).toBe(true);
  expect(heard.size).toBe(0);
});

test('what is closed while the ring is loaded asks the closed context for nothing', async () => {
  const { made } = output();
  const started = made.start();
  made.close();
  loaded();
  await vi.advanceTimersByTimeAsync(100);
  expect(await started).toBe(true);
});

test('muted and unmuted meanwhile it is heard once', async () => {
  const { made, ports } = output();
  const first = made.start();
  made.stop();
  const second = made.start();
  loaded();
  expect(await Promise.all([first, second])).toEqual([true, true]);
  expect(heard.size).toBe(1);
  expect(ports.filter((port) => port !== null)).toHaveLength(1);
  made.close();
});

test('a browser that wants a click first says so', async () => {
  const { made } = output();
  newest.state = 'suspended';
  const started = made.start();
  loaded();
  await vi.advanceTimersByTimeAsync(100);
  expect(await started).toBe(false);
});
