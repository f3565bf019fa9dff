// The faults of StreamHub that its contract describes, by their numbers there. None of them is ours.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, settled } from './node.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

test('1: no signal of any shape ends the process or reaches anybody', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  const eve = await server.client();
  await settled(ada, bob);
  ada.forget();
  bob.forget();
  // Deeper than the official client can write.
  const deep = '['.repeat(20_000) + ']'.repeat(20_000);
  for (const event of ['webrtc:request', 'webrtc:offer', 'webrtc:answer', 'webrtc:ice-candidate']) {
    for (const client of [eve, bob]) {
      for (const payload of [undefined, null, 5, 'text', [], {}, { streamKey: ada.key, to: null }]) {
        client.emit(event, payload);
      }
    }
    // Who nests so deeply is put out, and nobody else hears of it.
    for (const payload of [deep, `{"to":${deep}}`, `{"streamKey":"${ada.key}","to":${deep},"from":"${bob.id}"}`]) {
      const mallory = await server.client();
      mallory.packet(`2["${event}",${payload}]`);
      await mallory.next('disconnect');
    }
  }
  await settled(eve, bob, ada);
  assert.deepEqual([...ada.names(), ...bob.names()], []);
  assert.ok(server.alive());
});

test('2: a signal goes to one member of the stream and in the sender’s own name', async () => {
  const ada = await server.publisher('ada');
  const bob = await server.viewer(ada.key, 'bob');
  const carl = await server.viewer(ada.key, 'carl');
  const other = await server.publisher('other');
  const outsider = await server.user('eve');
  await settled(ada, bob, carl, other);
  const offer = (from, to, key = ada.key) => ({ type: 'offer', data: {}, from, to, streamKey: key });
  for (const client of [ada, bob, carl, other]) client.forget();
  for (const to of [`stream:${ada.key}`, [], [bob.id, carl.id], '', other.id, { id: bob.id }]) {
    bob.emit('webrtc:offer', offer(bob.id, to));
  }
  bob.emit('webrtc:offer', offer(carl.id, ada.id));
  bob.emit('webrtc:offer', offer(bob.id, carl.id));
  bob.emit('webrtc:close', offer(bob.id, carl.id));
  bob.emit('webrtc:offer', offer(undefined, ada.id));
  bob.emit('webrtc:request', { streamKey: ada.key, viewerId: 'x', socketId: carl.id });
  bob.emit('webrtc:offer', offer(bob.id, other.id, other.key));
  outsider.emit('webrtc:offer', offer(outsider.id, ada.id));
  outsider.emit('webrtc:request', { streamKey: ada.key, viewerId: 'x', socketId: outsider.id });
  await settled(bob, outsider, ada, carl, other);
  for (const client of [ada, bob, carl, other]) assert.deepEqual(client.names(), []);
});

test('3: nobody but the publisher or its token starts or ends a stream', async () => {
  const ada = await server.user('ada', 'STREAMER');
  await ada.create();
  const bob = await server.viewer(ada.key);
  const mallory = await server.user('ada', 'STREAMER');
  const unregistered = await server.client();
  for (const client of [bob, mallory, unregistered]) {
    for (const event of ['stream:start', 'stream:end']) {
      for (const publishToken of [undefined, '', ada.key, 'f'.repeat(32)]) {
        client.emit(event, { streamKey: ada.key, publishToken });
        const { message } = await client.next('stream:error');
        assert.equal(message, 'No tienes permiso para publicar en este stream');
      }
    }
  }
  mallory.emit('stream:data:send', { streamKey: ada.key, data: 'forged' });
  mallory.emit('stream:pause', { streamKey: ada.key, paused: true });
  await settled(mallory, bob);
  assert.deepEqual(bob.all('stream:data'), []);
  assert.deepEqual(bob.all('stream:paused'), []);
  assert.deepEqual(bob.all('stream:started'), []);
  const { users } = await server.json('/health');
  assert.ok(users.connected >= 3);
});

test('4: an ended stream neither starts again nor ends twice', async () => {
  const ada = await server.publisher();
  const bob = await server.user('bob');
  bob.emit('user:subscribe', { targetUserId: ada.user.id });
  await bob.next('user:subscribed');
  ada.emit('stream:end', { streamKey: ada.key });
  await ada.next('stream:ended');
  for (const event of ['stream:start', 'stream:end']) {
    ada.emit(event, { streamKey: ada.key, publishToken: ada.publishToken });
    assert.equal((await ada.next('stream:error')).message, 'El stream ya ha terminado');
  }
  await settled(ada, bob);
  assert.equal(bob.all('stream:notification').length, 1);
  const { streams } = await server.json('/streams');
  assert.ok(streams.every((stream) => stream.streamKey !== ada.key));
});

test('5: the count is the set of live sessions', async () => {
  const ada = await server.publisher();
  const other = await server.publisher('other');
  const bob = await server.viewer(ada.key, 'bob');
  await bob.join(ada.key);
  await bob.join(other.key);
  const carl = await server.user('carl');
  carl.emit('stream:leave', { streamKey: ada.key });
  const watchingStreamer = await server.user('dora', 'STREAMER');
  await watchingStreamer.join(ada.key);
  const viewers = async (key) => {
    const { streams } = await server.json('/streams');
    return streams.find((stream) => stream.streamKey === key).viewerCount;
  };
  await carl.barrier();
  assert.deepEqual([await viewers(ada.key), await viewers(other.key)], [2, 1]);
  bob.socket.disconnect();
  watchingStreamer.socket.disconnect();
  await ada.next('viewer:count:update', ({ viewerCount }) => viewerCount === 0);
  await other.next('viewer:count:update', ({ viewerCount }) => viewerCount === 0);
  assert.deepEqual([await viewers(ada.key), await viewers(other.key)], [0, 0]);
});

test('6: first viewer and hundredth get the newest picture, and after all have left the next does too', async () => {
  const ada = await server.publisher();
  const picture = (n) => `data:image/jpeg;base64,${Buffer.from([0xff, 0xd8, 0xff, 0xe0, n]).toString('base64')}`;
  ada.send(picture(1));
  ada.send(picture(2));
  await ada.barrier();
  const first = await server.viewer(ada.key, 'first');
  assert.deepEqual(first.all('stream:buffer')[0].frames.map((frame) => frame.data), [picture(2)]);
  first.socket.disconnect();
  await ada.next('viewer:left');
  ada.send(picture(3));
  await ada.barrier();
  const next = await server.viewer(ada.key, 'next');
  assert.deepEqual(next.all('stream:buffer')[0].frames.map((frame) => frame.data), [picture(3)]);
});

test('8: followers hear of the end of a lost streamer too', async () => {
  const ada = await server.publisher();
  const bob = await server.user('bob');
  bob.emit('user:subscribe', { targetUserId: ada.user.id });
  await bob.next('user:subscribed');
  ada.socket.disconnect();
  assert.equal((await bob.next('stream:notification')).type, 'ended');
});

test('9: a name takes over nobody, and a second name leaves nobody behind', async () => {
  const ada = await server.publisher('Ada');
  const impostor = await server.user('ada', 'STREAMER');
  assert.notEqual(impostor.user.id, ada.user.id);
  await impostor.create();
  assert.notEqual(impostor.key, ada.key);
  ada.emit('users:get');
  await ada.next('users:list');
  const { users } = await server.json('/health');
  await impostor.register({ username: 'somebody else', role: 'VIEWER' });
  const after = await server.json('/health');
  assert.equal(after.users.connected, users.connected);
});

test('10: names, messages and rates are bounded, and each refusal says why', async () => {
  const bob = await server.client();
  for (const username of ['x'.repeat(65), 'x'.repeat(90_000), 7, null, { toString: 1 }, undefined]) {
    bob.emit('user:register', { username, role: 'VIEWER' });
    const { message, error } = await bob.next('stream:error');
    assert.equal(message, 'Error al registrar usuario');
    assert.ok(error.length > 10 && error.length < 200);
  }
  await bob.register({ username: 'ñ'.repeat(64), role: 'VIEWER' });
  const ada = await server.publisher();
  bob.emit('chat:message:send', { streamKey: ada.key, content: 'x'.repeat(2_001) });
  const tooLong = await bob.next('stream:error');
  assert.match(tooLong.error, /2001.*2000/);
  assert.equal(tooLong.limit, 'chat-chars-max');
  await bob.join(ada.key);
  bob.emit('chat:message:send', { streamKey: ada.key, content: 'x'.repeat(2_000) });
  await bob.next('chat:message:broadcast', ({ message }) => message.content.length === 2_000);
  for (let n = 0; n < 100; n++) bob.emit('chat:message:send', { streamKey: ada.key, content: `${n}` });
  const { message, error, limit } = await bob.next('stream:error');
  assert.deepEqual([message, limit], ['Demasiadas peticiones', 'chat-rate']);
  assert.match(error, /por segundo/);
  await settled(bob, ada);
  assert.ok(ada.all('chat:message:broadcast').length < 60);
});

test('11: a poll answers with at most 16 packets, and everything arrives', async () => {
  const ada = await server.publisher();
  const open = await (await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)).text();
  const { sid } = JSON.parse(open.slice(1));
  const url = `${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  const post = (body) => fetch(url, { method: 'POST', body });
  await post('40');
  const poll = async () => (await (await fetch(url)).text()).split('\x1e');
  await poll();
  await post('42["user:register",{"username":"poller"}]');
  await poll();
  await post(`42["stream:join",{"streamKey":"${ada.key}"}]`);
  await ada.next('viewer:joined');
  for (let n = 0; n < 60; n++) ada.send(n);
  await ada.barrier();
  let frames = 0;
  while (frames < 60) {
    const packets = await poll();
    assert.ok(packets.length <= 16, `${packets.length} packets`);
    for (const packet of packets) {
      if (packet === '2') await post('3');
      if (packet.startsWith('42["stream:data"')) {
        assert.equal(JSON.parse(packet.slice(2))[1].data, frames++);
      }
    }
  }
});

test('12: a stream that nobody watches goes on, and an old stream’s end forgets no live one', async () => {
  const ada = await server.publisher();
  const old = ada.key;
  ada.emit('stream:end', { streamKey: old });
  await ada.next('stream:ended');
  await ada.create();
  ada.emit('stream:start', { streamKey: ada.key });
  await ada.next('stream:started');
  ada.emit('stream:end', { streamKey: old });
  await ada.next('stream:error');
  for (let n = 0; n < 100; n++) ada.send(n);
  await ada.barrier();
  const bob = await server.viewer(ada.key);
  ada.send('still here');
  assert.equal((await bob.next('stream:data')).data, 'still here');
});

test('13: a stream does not outlive the process, nor does anybody claim to be here', async () => {
  const first = await Server.start();
  const ada = await first.publisher();
  const { resumeToken, user } = ada;
  const bob = await first.user('bob');
  bob.emit('user:subscribe', { targetUserId: user.id });
  await bob.next('user:subscribed');
  // The store writes in batches, behind the answer: the row is there when both ids stand together in its journal.
  const row = `${bob.user.id}${user.id}`;
  await first.until(async () => (await readFile(join(first.folder, 'abanico.db-wal'))).includes(row));
  await first.kill('SIGKILL');
  const second = await Server.start({ data: first.folder });
  try {
    assert.deepEqual(await second.json('/streams'), { streams: [] });
    const health = await second.json('/health');
    assert.equal(health.users.connected, 0);
    const back = await second.client();
    back.emit('user:register', { username: 'ada', role: 'STREAMER', resumeToken });
    assert.equal((await back.next('user:registered')).user.id, user.id);
    await back.create();
    assert.equal(back.stream.status, 'WAITING');
    const follower = await second.client();
    follower.emit('user:register', { username: 'bob', resumeToken: bob.resumeToken });
    await follower.next('user:registered');
    back.emit('stream:start', { streamKey: back.key });
    assert.equal((await follower.next('stream:notification')).streamKey, back.key);
  } finally {
    await second.stop();
    await first.stop();
  }
});

test('14: a publisher gets no echo of its frames', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  await ada.join(ada.key);
  ada.send('frame');
  await bob.next('stream:data');
  await ada.barrier();
  assert.deepEqual(ada.all('stream:data'), []);
});

test('16: no refusal shows the inside of the server', async () => {
  const eve = await server.user('eve', 'STREAMER');
  const garbage = [undefined, null, 5, 'text', [], {}, { streamKey: 5 }, { streamKey: {} }, { streamKey: 'x'.repeat(5_000) }];
  const events = [
    'user:register', 'stream:start', 'stream:end', 'stream:join', 'stream:leave', 'stream:pause', 'stream:poster',
    'stream:data:send', 'chat:message:send', 'reaction:send', 'user:subscribe', 'user:unsubscribe',
  ];
  for (const event of events) {
    const sender = await server.user('sender');
    for (const payload of garbage) sender.emit(event, payload);
    await sender.barrier();
    for (const { message, error } of sender.all('stream:error')) {
      assert.doesNotMatch(`${message} ${error}`, /panic|serde|expected|line \d|rs:\d|undefined|TypeError/i);
    }
  }
  await eve.barrier();
  assert.ok(server.alive());
});
