// A publisher that is lost and returns, and one that does not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, settled } from './node.mjs';

let server;
let hasty;
before(async () => {
  server = await Server.start();
  hasty = await Server.start({ env: { ABANICO_PUBLISHER_GRACE: '300ms' } });
});
after(async () => {
  await server.stop();
  await hasty.stop();
});

test('a lost publisher returns with its tokens, and its viewers go on', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  ada.cut();
  const lost = await bob.next('stream:publisher:lost');
  assert.deepEqual(lost, { streamKey: ada.key, graceMs: 10_000 });

  const back = await server.client();
  const user = await back.register({ username: 'ada', role: 'STREAMER', resumeToken: ada.resumeToken });
  assert.equal(user.id, ada.user.id);
  back.emit('stream:start', { streamKey: ada.key, publishToken: ada.publishToken });
  await bob.next('stream:publisher:back');
  assert.equal((await bob.next('stream:started')).stream.streamKey, ada.key);
  back.key = ada.key;
  back.send('again');
  assert.equal((await bob.next('stream:data')).data, 'again');
  assert.deepEqual(bob.all('stream:ended'), []);
});

test('the publish token alone is enough, with the first frame', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  ada.cut();
  await bob.next('stream:publisher:lost');
  const back = await server.client();
  back.emit('stream:data:send', { streamKey: ada.key, data: 1, publishToken: 'wrong' });
  back.emit('stream:data:send', { streamKey: ada.key, data: 2, publishToken: ada.publishToken });
  back.emit('stream:data:send', { streamKey: ada.key, data: 3 });
  assert.equal((await bob.next('stream:data')).data, 2);
  assert.equal((await bob.next('stream:data')).data, 3);
});

test('a frozen connection loses its seat to the token, and its end changes nothing', async () => {
  const frozen = await server.publisher();
  const bob = await server.viewer(frozen.key);
  const back = await server.client();
  await back.register({ username: 'ada', role: 'STREAMER', resumeToken: frozen.resumeToken });
  back.emit('stream:start', { streamKey: frozen.key, publishToken: frozen.publishToken });
  await bob.next('stream:started');
  frozen.send('from the grave');
  frozen.socket.disconnect();
  back.key = frozen.key;
  back.send('alive');
  await settled(back, bob);
  assert.deepEqual(bob.all('stream:data').map((frame) => frame.data), ['alive']);
  assert.deepEqual(bob.all('stream:ended'), []);
});

test('after a page reload without any token the same person creates a new stream at once', async () => {
  const ada = await server.publisher('ada');
  ada.cut();
  const again = await server.user('ada', 'STREAMER');
  const stream = await again.create();
  assert.notEqual(stream.streamKey, ada.key);
});

test('who returns and creates a new stream has ended the one left behind', async () => {
  const ada = await server.publisher('ada');
  const bob = await server.viewer(ada.key);
  ada.cut();
  await bob.next('stream:publisher:lost');
  const again = await server.client();
  await again.register({ username: 'ada', role: 'STREAMER', resumeToken: ada.resumeToken });
  await again.create();
  assert.equal((await bob.next('stream:ended')).stream.streamKey, ada.key);
  again.emit('stream:start', { streamKey: again.key });
  assert.deepEqual(await bob.next('stream:next'), { streamKey: ada.key, next: again.key });
});

test('a publisher that does not return is given up after the grace, and all are told', async () => {
  const ada = await hasty.publisher();
  const bob = await hasty.viewer(ada.key);
  ada.send('last');
  await bob.next('stream:data');
  ada.cut();
  assert.equal((await bob.next('stream:publisher:lost')).graceMs, 300);
  const ended = await bob.next('stream:ended');
  assert.equal(ended.reason, 'El streamer se desconectó');
  assert.equal(ended.stream.status, 'ENDED');
  assert.deepEqual(await hasty.json('/streams'), { streams: [] });
});

test('a publisher that says goodbye is not waited for', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  ada.socket.disconnect();
  assert.equal((await bob.next('stream:ended')).reason, 'El streamer se desconectó');
  assert.deepEqual(bob.all('stream:publisher:lost'), []);
});

test('the last frames come before the end', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  for (let n = 0; n < 50; n++) ada.send(n);
  ada.emit('stream:end', { streamKey: ada.key });
  await bob.next('stream:ended');
  assert.deepEqual(bob.all('stream:data').map((frame) => frame.data), [...Array(50).keys()]);
  assert.equal(bob.names().at(-1), 'stream:ended');
});

test('a pause is told, and to those who come later too', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  ada.emit('stream:pause', { streamKey: ada.key, paused: true });
  assert.deepEqual(await bob.next('stream:paused'), { streamKey: ada.key, paused: true });
  const carl = await server.user('carl');
  assert.equal((await carl.join(ada.key)).paused, true);
});

test('when the server is told to stop, viewers hear the end and the connection closes in order', async () => {
  const own = await Server.start();
  const ada = await own.publisher();
  const bob = await own.viewer(ada.key);
  ada.send('x'.repeat(200_000));
  await settled(ada, bob);
  const stopping = own.kill('SIGTERM');
  const ended = await bob.next('stream:ended');
  assert.equal(ended.reason, 'El servidor se está cerrando');
  assert.equal(await bob.next('disconnect'), 'transport close');
  await stopping;
  assert.equal(own.child.exitCode, 0);
  await own.stop();
});
