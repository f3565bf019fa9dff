import { expect, test } from 'vitest';
import { Problem, problemOf } from './problem.ts';

const thrown = (name: string) => Object.assign(new Error('in the browser’s words'), { name });

test.each([
  ['NotAllowedError', 'camera', 'permission-refused'],
  ['NotAllowedError', 'screen', 'screen-refused'],
  ['NotFoundError', 'camera', 'no-device'],
  ['NotReadableError', 'camera', 'device-busy'],
  ['OverconstrainedError', 'camera', 'device-cannot'],
  ['SomethingNew', 'camera', 'unknown'],
] as const)('%s of the %s means %s', (name, source, kind) => {
  const problem = problemOf(thrown(name), source);
  expect(problem.kind).toBe(kind);
  expect(problem.detail).toContain('in the browser’s words');
});

test('a problem that has its name keeps it', () => {
  const problem = new Problem('no-secure-context');
  expect(problemOf(problem, 'camera')).toBe(problem);
});

test('what is no error at all is still told', () => {
  expect(problemOf('out of luck', 'test').detail).toBe('out of luck');
});
