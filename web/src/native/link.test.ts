import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LINK, Link, type LinkHost } from './link.ts';

/** A server that takes no WebSocket. */
class Shut {
  static made = 0;
  onclose: ((event: { code: number }) => void) | undefined;
  readonly bufferedAmount = 0;

  constructor() {
    Shut.made += 1;
    setTimeout(() => this.onclose?.({ code: 1006 }), 5);
  }

  close(): void {}
}

function link() {
  const host = {
    opened: vi.fn(),
    text: vi.fn(),
    binary: vi.fn(),
    state: vi.fn(),
    refused: vi.fn(),
  } satisfies LinkHost;
  const opened = new Link('ws://a.test/live/key', 'p', host);
  opened.open();
  return { host, opened };
}

beforeEach(() => {
  vi.useFakeTimers();
  Shut.made = 0;
  vi.stubGlobal('WebSocket', Shut);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a server that answers /health and takes no socket has no door', async () => {
  const asked = vi.fn(async (_url: URL) => ({ ok: true, type: 'basic' }));
  vi.stubGlobal('fetch', asked);
  const { host } = link();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(String(asked.mock.calls[0]?.[0])).toBe('http://a.test/health');
  expect(host.refused).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ reason: 'no-door', kind: 'over' }));
  expect(host.state).toHaveBeenLastCalledWith(LINK.closed);
});

test('it is asked so that another site’s answer can be read', async () => {
  const asked = vi.fn(async (_url: URL, _options: RequestInit) => ({ ok: true, type: 'cors' }));
  vi.stubGlobal('fetch', asked);
  const { host } = link();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.mock.calls[0]?.[1].mode ?? 'cors').toBe('cors');
  expect(host.refused).toHaveBeenCalledOnce();
});

for (const [what, answer] of [
  ['a server that is away', () => Promise.reject(new TypeError('refused'))],
  ['another site’s server that is full', async () => ({ ok: false, type: 'cors' })],
  ['a proxy whose server is away', async () => ({ ok: false, type: 'basic' })],
] as const) {
  test(`${what} is asked again and again`, async () => {
    vi.stubGlobal('fetch', answer);
    const { host, opened } = link();
    await vi.advanceTimersByTimeAsync(60_000);
    const before = Shut.made;
    expect(before).toBeGreaterThan(3);
    expect(host.refused).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Shut.made).toBeGreaterThan(before);
    opened.close();
  });
}
