import { expect, test } from 'vitest';
import { keyFrom } from './streams.ts';

test.each([
  ['https://example.org/watch/0123abcd', '0123abcd'],
  ['/watch/0123abcd?x=1#y', '0123abcd'],
  ['http://localhost:3000/viewer.html?a=b&key=0123abcd', '0123abcd'],
  ['https://example.org/live/demo', 'demo'],
  ['https://example.org/live/demo.mp4', 'demo'],
  ['  0123abcd ', '0123abcd'],
  ['my-stream_1.2', 'my-stream_1.2'],
])('the key is found in %s', (text, key) => {
  expect(keyFrom(text)).toBe(key);
});

test.each(['', '/viewer.html', 'two words', '<b>', 'https://example.org/', `x${'y'.repeat(200)}`])(
  '%s has no key in it',
  (text) => {
    expect(keyFrom(text)).toBeNull();
  },
);
