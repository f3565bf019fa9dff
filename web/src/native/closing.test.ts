import { expect, test } from 'vitest';
import { closingOf } from './closing.ts';

test('a cut is met with another attempt', () => {
  for (const code of [1001, 1006, 1011, 1012]) expect(closingOf(code, undefined)).toEqual({ kind: 'again' });
});

test('a busy server is asked again when it said', () => {
  expect(closingOf(4503, { code: 'full', message: 'no room', retryAfterMs: 700 })).toEqual({
    kind: 'later',
    reason: 'refused',
    afterMs: 700,
    message: 'no room',
  });
});

test('a stream that is not there is waited for', () => {
  expect(closingOf(4404, undefined)).toMatchObject({ kind: 'later', reason: 'not-found' });
});

test('a seat that was taken, a wrong token and an end are final', () => {
  for (const [code, reason] of [
    [1000, 'ended'],
    [4400, 'malformed'],
    [4401, 'token'],
    [4403, 'ended'],
    [4409, 'replaced'],
    [4410, 'ended'],
  ] as const) {
    expect(closingOf(code, undefined)).toMatchObject({ kind: 'over', reason });
  }
});
