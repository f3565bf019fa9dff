import { expect, test } from 'vitest';
import { PlayPromises } from './play-promises.ts';

test('all who asked are told that it plays', async () => {
  const promises = new PlayPromises();
  const both = Promise.all([promises.ask(), promises.ask()]);
  promises.begun();
  await both;
});

test('who asked is told that it was stopped, or why it cannot be', async () => {
  const promises = new PlayPromises();
  const stopped = promises.ask();
  promises.stopped();
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  const failed = promises.ask();
  promises.failed('codec');
  await expect(failed).rejects.toMatchObject({ name: 'NotSupportedError', message: 'codec' });
});

test('what was told once is not told again', async () => {
  const promises = new PlayPromises();
  const first = promises.ask();
  promises.begun();
  promises.stopped();
  await first;
});
