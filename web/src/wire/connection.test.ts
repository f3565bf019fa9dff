import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from './connection.ts';

/** A socket whose server is the test. */
const { socket } = vi.hoisted(() => {
  const handlers = new Map<string, ((payload?: object) => void)[]>();
  const socket = {
    connected: true,
    sent: [] as string[],
    on(event: string, handler: (payload?: object) => void) {
      handlers.set(event, [...(handlers.get(event) ?? []), handler]);
    },
    emit: (event: string) => socket.sent.push(event),
    connect() {},
    disconnect() {},
    hears(event: string, payload?: object) {
      for (const handler of handlers.get(event) ?? []) handler(payload);
    },
    reset() {
      handlers.clear();
      socket.sent = [];
    },
  };
  return { socket };
});
vi.mock('socket.io-client', () => ({ io: () => socket }));

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('window', globalThis);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  socket.reset();
});

const registrations = () => socket.sent.filter((event) => event === 'user:register').length;
const later = { message: 'Error al registrar usuario', retryAfterMs: 7_000 };

test('who may not register yet does so when the server said', () => {
  const connection = new Connection('Ada', 'VIEWER', 'http://localhost');
  socket.hears('connect');
  socket.hears('stream:error', later);
  vi.advanceTimersByTime(6_999);
  expect(registrations()).toBe(1);
  vi.advanceTimersByTime(1);
  expect(registrations()).toBe(2);
  socket.hears('user:registered', { user: { id: '1' } });
  expect(connection.state).toBe('online');
  socket.hears('stream:error', later);
  vi.advanceTimersByTime(7_000);
  expect(registrations()).toBe(2);
  connection.close();
});

test('nobody registers who is refused for good, was cut off or has left', () => {
  const connection = new Connection('Ada', 'VIEWER', 'http://localhost');
  socket.hears('connect');
  socket.hears('stream:error', { message: later.message });
  socket.hears('stream:error', later);
  socket.hears('disconnect', {});
  vi.advanceTimersByTime(60_000);
  expect(registrations()).toBe(1);
  socket.hears('connect');
  socket.hears('stream:error', later);
  connection.close();
  vi.advanceTimersByTime(60_000);
  expect(registrations()).toBe(2);
});
