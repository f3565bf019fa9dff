// StreamHub's contract: what a client that was written for StreamHub may count on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, settled, WebSocket } from './node.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('a user is registered with id, role, socket id and date', async () => {
  const ada = await server.user('Ada', 'STREAMER');
  assert.match(ada.user.id, UUID);
  assert.match(ada.user.createdAt, ISO);
  assert.deepEqual(
    { username: ada.user.username, role: ada.user.role, socketId: ada.user.socketId },
    { username: 'Ada', role: 'STREAMER', socketId: ada.id },
  );
});

test('any role but STREAMER makes a viewer', async () => {
  for (const role of ['ADMIN', 'streamer', undefined, 7, null]) {
    assert.equal((await server.user('somebody', role)).user.role, 'VIEWER');
  }
});

test('only a streamer creates a stream, and only one at a time', async () => {
  const stranger = await server.client();
  stranger.emit('stream:create');
  const refusal = { message: 'Solo los streamers pueden crear streams', error: 'Error desconocido' };
  assert.deepEqual(await stranger.next('stream:error'), refusal);
  const viewer = await server.user('bob');
  viewer.emit('stream:create');
  assert.deepEqual(await viewer.next('stream:error'), refusal);

  const ada = await server.user('ada', 'STREAMER');
  const stream = await ada.create();
  assert.match(stream.id, UUID);
  assert.match(stream.streamKey, /^[0-9a-f]{32}$/);
  assert.match(stream.createdAt, ISO);
  assert.equal(stream.status, 'WAITING');
  assert.equal(stream.viewerCount, 0);
  assert.equal(stream.streamerId, ada.user.id);
  assert.ok(!('startedAt' in stream) && !('endedAt' in stream));
  ada.emit('stream:create');
  assert.deepEqual(await ada.next('stream:error'), {
    message: 'Error al crear stream',
    error: 'El streamer ya tiene un stream activo',
  });
});

test('the room hears that a stream starts and ends, the streamer too', async () => {
  const ada = await server.user('ada', 'STREAMER');
  await ada.create();
  const bob = await server.viewer(ada.key);
  ada.emit('stream:start', { streamKey: ada.key });
  for (const client of [ada, bob]) {
    const { stream } = await client.next('stream:started');
    assert.equal(stream.status, 'ACTIVE');
    assert.match(stream.startedAt, ISO);
  }
  ada.emit('stream:end', { streamKey: ada.key });
  for (const client of [ada, bob]) {
    const ended = await client.next('stream:ended');
    assert.equal(ended.stream.status, 'ENDED');
    assert.match(ended.stream.endedAt, ISO);
    assert.ok(!('reason' in ended));
  }
  bob.forget();
  ada.send('late');
  ada.emit('chat:message:send', { streamKey: ada.key, content: 'anybody?' });
  await settled(ada, bob);
  assert.deepEqual(bob.names(), []);
});

test('a joiner gets buffer, joined, and then what the whole room gets', async () => {
  const ada = await server.publisher();
  ada.send('data:image/jpeg;base64,/9j/4AAQ');
  await ada.barrier();
  ada.forget();
  const bob = await server.user('bob');
  bob.forget();
  await bob.join(ada.key);
  await settled(bob, ada);
  assert.deepEqual(bob.names(), [
    'stream:buffer',
    'stream:joined',
    'viewer:joined',
    'viewer:count:update',
    'chat:message:broadcast',
  ]);
  const [{ stream }] = bob.all('stream:joined');
  assert.equal(stream.viewerCount, 1);
  const [buffer] = bob.all('stream:buffer');
  assert.equal(buffer.streamKey, ada.key);
  assert.equal(buffer.frames.length, 1);
  assert.equal(buffer.frames[0].data, 'data:image/jpeg;base64,/9j/4AAQ');
  assert.equal(buffer.frames[0].streamKey, ada.key);
  assert.ok(Number.isInteger(buffer.frames[0].timestamp));
  assert.deepEqual(ada.names(), ['viewer:joined', 'viewer:count:update', 'chat:message:broadcast']);
  assert.deepEqual(ada.all('viewer:joined'), [{ username: 'bob', viewerCount: 1 }]);
  assert.deepEqual(ada.all('viewer:count:update'), [{ viewerCount: 1 }]);
  const [{ message }] = ada.all('chat:message:broadcast');
  assert.equal(message.content, 'bob se unió al stream');
  assert.equal(message.userId, 'system');
  assert.equal(message.username, 'Sistema');
  assert.equal(message.type, 'SYSTEM');
});

test('who leaves gets nothing, the room gets left, count and a word', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  await settled(ada, bob);
  ada.forget();
  bob.forget();
  bob.emit('stream:leave', { streamKey: ada.key });
  await settled(bob, ada);
  assert.deepEqual(bob.names(), []);
  assert.deepEqual(ada.names(), ['viewer:left', 'viewer:count:update', 'chat:message:broadcast']);
  assert.deepEqual(ada.all('viewer:left'), [{ username: 'bob', viewerCount: 0 }]);
  assert.equal(ada.all('chat:message:broadcast')[0].message.content, 'bob salió del stream');
});

test('a viewer whose connection is lost is counted and named, without a word in the chat', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  await settled(ada, bob);
  ada.forget();
  bob.cut();
  await ada.next('viewer:left');
  await ada.barrier();
  assert.deepEqual(ada.names(), ['viewer:count:update', 'viewer:left']);
});

test('data passes untouched whatever it is, in order', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  const sent = [
    'data:image/jpeg;base64,/9j/4AAQSkZJRg==',
    '/9j/4AAQSkZJRg==',
    'not base64, not an image: ¿qué? 🎥 "quoted" \\ \u2028',
    '',
    0,
    -1.5e-7,
    true,
    null,
    { nested: { list: [1, 'two', null], deep: { er: {} } } },
    [],
    Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, 2]),
    Buffer.alloc(0),
    { video: Buffer.from([1, 2, 3]), audio: Buffer.from([4]), n: 1 },
  ];
  sent.forEach((data) => ada.send(data));
  await settled(ada, bob);
  const frames = bob.all('stream:data');
  assert.deepEqual(frames.map((frame) => frame.data), sent);
  for (const frame of frames) {
    assert.deepEqual(Object.keys(frame).sort(), ['data', 'streamKey', 'timestamp']);
    assert.equal(frame.streamKey, ada.key);
    assert.ok(Math.abs(frame.timestamp - Date.now()) < 60_000 && Number.isInteger(frame.timestamp));
  }
});

test('the time of capture travels with a frame when the publisher gives it', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  ada.send('x', { capturedAt: 1795348800123 });
  const frame = await bob.next('stream:data');
  assert.equal(frame.capturedAt, 1795348800123);
});

test('chat and reactions reach the room, the sender included', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  const content = '<b>hola</b> & "adiós" 👋';
  bob.emit('chat:message:send', { streamKey: ada.key, content });
  for (const client of [ada, bob]) {
    const { message } = await client.next('chat:message:broadcast', ({ message }) => message.type === 'CHAT');
    assert.equal(message.content, content);
    assert.equal(message.username, 'bob');
    assert.equal(message.userId, bob.user.id);
    assert.equal(message.streamId, ada.stream.id);
    assert.match(message.id, UUID);
    assert.match(message.timestamp, ISO);
  }
  bob.emit('reaction:send', { streamKey: ada.key, emoji: '🔥' });
  for (const client of [ada, bob]) {
    const { reaction } = await client.next('reaction:broadcast');
    assert.deepEqual([reaction.emoji, reaction.username, reaction.streamId], ['🔥', 'bob', ada.stream.id]);
  }
});

test('chat of the unregistered and to unknown streams is dropped in silence', async () => {
  const ada = await server.publisher();
  const stranger = await server.client();
  const bob = await server.user('bob');
  bob.forget();
  stranger.emit('chat:message:send', { streamKey: ada.key, content: 'hi' });
  bob.emit('chat:message:send', { streamKey: 'nowhere', content: 'hi' });
  bob.emit('reaction:send', { streamKey: 'nowhere', emoji: '🔥' });
  await settled(stranger, bob, ada);
  assert.deepEqual(bob.names(), []);
  assert.deepEqual(stranger.names(), ['connect']);
  assert.deepEqual(ada.all('chat:message:broadcast'), []);
});

test('refusals are StreamHub’s, to the sender only', async () => {
  const stranger = await server.client();
  const plain = (message) => ({ message, error: 'Error desconocido' });
  const asked = [
    ['stream:join', { streamKey: 'x' }, plain('Usuario no registrado')],
    ['users:get', undefined, plain('Usuario no registrado')],
    ['subscriptions:get', undefined, plain('Usuario no registrado')],
    ['user:subscribe', { targetUserId: 'x' }, plain('Usuario no registrado')],
    ['user:unsubscribe', { targetUserId: 'x' }, plain('Usuario no registrado')],
    ['stream:start', { streamKey: 'x' }, plain('Stream no encontrado')],
    ['stream:end', { streamKey: 'x' }, plain('Stream no encontrado')],
  ];
  for (const [event, payload, refusal] of asked) {
    stranger.emit(event, payload);
    assert.deepEqual(await stranger.next('stream:error'), refusal, event);
  }
  await stranger.register({ username: 'eve', role: 'VIEWER' });
  stranger.emit('stream:join', { streamKey: 'x' });
  assert.deepEqual(await stranger.next('stream:error'), plain('Stream no encontrado'));
});

test('followers hear of starts and ends, and know whom they follow', async () => {
  const ada = await server.user('ada', 'STREAMER');
  const bob = await server.user('bob');
  bob.emit('user:subscribe', { targetUserId: ada.user.id });
  assert.deepEqual(await bob.next('user:subscribed'), { targetUserId: ada.user.id, targetUsername: 'ada' });
  for (const target of [ada.user.id, bob.user.id]) {
    bob.emit('user:subscribe', { targetUserId: target });
    assert.equal((await bob.next('stream:error')).message, 'No se pudo completar la suscripción');
  }
  bob.emit('user:subscribe', { targetUserId: '00000000-0000-4000-8000-000000000000' });
  assert.equal((await bob.next('stream:error')).message, 'Usuario objetivo no encontrado');
  bob.emit('subscriptions:get');
  const { subscriptions } = await bob.next('subscriptions:list');
  assert.deepEqual(subscriptions.map((user) => user.id), [ada.user.id]);

  await ada.create();
  ada.emit('stream:start', { streamKey: ada.key });
  const started = await bob.next('stream:notification');
  assert.equal(started.type, 'started');
  assert.match(started.startedAt, ISO);
  assert.deepEqual(
    [started.streamerId, started.streamerUsername, started.streamId, started.streamKey],
    [ada.user.id, 'ada', ada.stream.id, ada.key],
  );
  bob.emit('users:get');
  const { users } = await bob.next('users:list');
  assert.ok(users.every((user) => user.userId !== bob.user.id));
  assert.deepEqual(users.find((user) => user.userId === ada.user.id), {
    userId: ada.user.id,
    username: 'ada',
    role: 'STREAMER',
    isSubscribed: true,
    streamStatus: 'active',
    currentStreamKey: ada.key,
  });
  ada.emit('stream:end', { streamKey: ada.key });
  const ended = await bob.next('stream:notification');
  assert.equal(ended.type, 'ended');
  assert.match(ended.endedAt, ISO);

  bob.emit('user:unsubscribe', { targetUserId: ada.user.id });
  assert.deepEqual(await bob.next('user:unsubscribed'), { targetUserId: ada.user.id, targetUsername: 'ada' });
  bob.forget();
  bob.emit('user:unsubscribe', { targetUserId: ada.user.id });
  await bob.barrier();
  assert.deepEqual(bob.names(), []);
});

test('clients that know no token keep their subscriptions when their pages load anew', async () => {
  const ada = await server.user('Ada of old', 'STREAMER');
  const bob = await server.user('Bob of old');
  bob.emit('user:subscribe', { targetUserId: ada.user.id });
  await bob.next('user:subscribed');
  const { users: before } = await server.json('/health');
  ada.socket.disconnect();
  bob.socket.disconnect();
  await server.until(async () => (await server.json('/health')).users.connected <= before.connected - 2);
  const bobAgain = await server.user('Bob of old');
  const adaAgain = await server.publisher('Ada of old');
  assert.equal((await bobAgain.next('stream:notification')).streamerId, adaAgain.user.id);
  bobAgain.emit('users:get');
  const { users } = await bobAgain.next('users:list');
  const listed = users.filter(({ username }) => username.endsWith('of old'));
  assert.deepEqual(listed.map(({ userId, isSubscribed }) => [userId, isSubscribed]), [[adaAgain.user.id, true]]);
});

test('an ended stream may be joined and shows that it is over', async () => {
  const ada = await server.publisher();
  ada.emit('stream:end', { streamKey: ada.key });
  await ada.next('stream:ended');
  const bob = await server.user('bob');
  const { stream } = await bob.join(ada.key);
  assert.equal(stream.status, 'ENDED');
});

test('who watched hears of the streamer’s next stream', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  const before = ada.key;
  ada.emit('stream:end', { streamKey: before });
  await bob.next('stream:ended');
  await ada.create();
  ada.emit('stream:start', { streamKey: ada.key });
  assert.deepEqual(await bob.next('stream:next'), { streamKey: before, next: ada.key });
});

test('webrtc signals pass unchanged between the members of a stream', async () => {
  const ada = await server.publisher();
  const bob = await server.viewer(ada.key);
  const request = { streamKey: ada.key, viewerId: bob.user.id, socketId: bob.id };
  bob.emit('webrtc:request', request);
  assert.deepEqual(await ada.next('webrtc:request'), request);
  const offer = { type: 'offer', data: { sdp: 'v=0\r\n', type: 'offer' }, from: ada.id, to: bob.id, streamKey: ada.key };
  ada.emit('webrtc:offer', offer);
  assert.deepEqual(await bob.next('webrtc:offer'), offer);
  const answer = { type: 'answer', data: { sdp: 'v=0' }, from: bob.id, to: ada.id, streamKey: ada.key };
  bob.emit('webrtc:answer', answer);
  assert.deepEqual(await ada.next('webrtc:answer'), answer);
  const candidate = { type: 'ice-candidate', data: { candidate: 'x', sdpMLineIndex: 0 }, from: ada.id, to: bob.id, streamKey: ada.key };
  ada.emit('webrtc:ice-candidate', candidate);
  assert.deepEqual(await bob.next('webrtc:ice-candidate'), candidate);
});

test('signals find those whose media come over another door', async () => {
  const ada = await server.user('door-ada', 'STREAMER');
  await ada.create();
  ada.emit('stream:start', { streamKey: ada.key, publishToken: ada.publishToken, media: false });
  await ada.next('stream:started');
  const door = new WebSocket(`${server.url.replace('http', 'ws')}/live/${ada.key}`, 'abanico.publish.v1');
  await new Promise((open) => door.addEventListener('open', open));
  const ready = new Promise((said) => door.addEventListener('message', ({ data }) => said(JSON.parse(data).type)));
  door.send(JSON.stringify({ type: 'publish', token: ada.publishToken }));
  assert.equal(await ready, 'ready');
  const bob = await server.user('door-bob');
  bob.emit('stream:join', { streamKey: ada.key, media: false });
  await bob.next('stream:joined');
  const request = { streamKey: ada.key, viewerId: bob.user.id, socketId: bob.id, wish: 'auto' };
  bob.emit('webrtc:request', request);
  assert.deepEqual(await ada.next('webrtc:request'), request);
  const offer = { type: 'offer', data: { type: 'offer', sdp: 'v=0' }, from: ada.id, to: bob.id, streamKey: ada.key };
  ada.emit('webrtc:offer', offer);
  assert.deepEqual(await bob.next('webrtc:offer'), offer);
  const close = { type: 'close', data: { reason: 'central' }, from: bob.id, to: ada.id, streamKey: ada.key };
  bob.emit('webrtc:close', close);
  assert.deepEqual(await ada.next('webrtc:close'), close);
  door.close();
});

test('a request is kept, the newest of each, and who takes over is told whether it was answered', async () => {
  const ada = await server.publisher('away');
  // Requests are handed on in the order in which viewers connected.
  const early = await server.viewer(ada.key, 'early');
  const [bob, leaver, lost] = await Promise.all(['bob', 'leaver', 'lost'].map((name) => server.viewer(ada.key, name)));
  const request = (client, more = {}) => {
    const asked = { streamKey: ada.key, viewerId: client.user.id, socketId: client.id, ...more };
    client.emit('webrtc:request', asked);
    return asked;
  };
  const offer = (from, to) => ({ type: 'offer', data: {}, from: from.id, to: to.id, streamKey: ada.key });
  const served = request(early);
  await ada.next('webrtc:request');
  ada.emit('webrtc:offer', offer(ada, early));
  await early.next('webrtc:offer');
  ada.cut();
  await bob.next('stream:publisher:lost');
  request(bob, { wish: 'auto' });
  const wanted = request(bob, { wish: 'p2p' });
  for (const client of [leaver, lost]) request(client);
  leaver.emit('stream:leave', { streamKey: ada.key });
  await settled(bob, leaver, lost);
  lost.cut();
  await bob.next('viewer:left', ({ username }) => username === 'lost');

  const back = await server.client();
  await back.register({ username: 'away', role: 'STREAMER', resumeToken: ada.resumeToken });
  const start = () => back.emit('stream:start', { streamKey: ada.key, publishToken: ada.publishToken });
  start();
  await back.next('stream:started');
  // StreamHub's viewer asks only once: the page that comes after its publisher's hears of it.
  const again = (asked) => ({ ...asked, again: true });
  assert.deepEqual(await back.next('webrtc:request'), again(served));
  assert.deepEqual(await back.next('webrtc:request'), wanted);
  start();
  await back.barrier();
  assert.deepEqual(back.all('webrtc:request'), [again(served), wanted]);
  back.emit('webrtc:offer', offer(back, bob));
  await bob.next('webrtc:offer');
  const other = await server.client();
  other.emit('stream:start', { streamKey: ada.key, publishToken: ada.publishToken });
  await other.next('stream:started');
  await other.barrier();
  assert.deepEqual(other.all('webrtc:request'), [again(served), again(wanted)]);
});

test('the publisher is told, in the viewer’s name, that one which asked for its picture has gone', async () => {
  const ada = await server.publisher('places');
  const silent = await server.viewer(ada.key, 'silent');
  const said = await server.viewer(ada.key, 'said');
  const left = await server.viewer(ada.key, 'left');
  const cut = await server.user('cut');
  cut.emit('stream:join', { streamKey: ada.key, media: false });
  await cut.next('stream:joined');
  for (const client of [said, left, cut]) {
    client.emit('webrtc:request', { streamKey: ada.key, viewerId: client.user.id, socketId: client.id });
    await ada.next('webrtc:request');
  }
  const close = (client, reason) => ({
    type: 'close',
    data: { reason },
    from: client.id,
    to: ada.id,
    streamKey: ada.key,
  });
  silent.emit('stream:leave', { streamKey: ada.key });
  const own = close(said, 'left');
  said.emit('webrtc:close', own);
  assert.deepEqual(await ada.next('webrtc:close'), own);
  said.emit('stream:leave', { streamKey: ada.key });
  const gone = [left, cut].map((client) => close(client, 'gone'));
  await settled(silent, said);
  left.emit('stream:leave', { streamKey: ada.key });
  assert.deepEqual(await ada.next('webrtc:close'), gone[0]);
  cut.cut();
  assert.deepEqual(await ada.next('webrtc:close'), gone[1]);
  await ada.barrier();
  assert.deepEqual(ada.all('webrtc:close'), [own, ...gone]);
});

test('the publisher says how many viewers it serves itself, and nobody else does', async () => {
  const ada = await server.publisher('peers');
  const bob = await server.viewer(ada.key);
  assert.equal(bob.all('stream:joined')[0].peersMax, undefined);
  bob.emit('stream:peers', { streamKey: ada.key, max: 9 });
  assert.equal((await bob.next('stream:error')).message, 'No tienes permiso para publicar en este stream');
  ada.emit('stream:peers', { streamKey: ada.key, max: -1 });
  await ada.next('stream:error');
  ada.emit('stream:peers', { streamKey: ada.key, max: 3 });
  assert.deepEqual(await bob.next('stream:peers'), { streamKey: ada.key, max: 3 });
  const late = await server.viewer(ada.key, 'late');
  assert.equal(late.all('stream:joined')[0].peersMax, 3);
  ada.emit('stream:peers', { streamKey: ada.key, max: 2 ** 31 });
  assert.equal((await bob.next('stream:peers')).max, 1000);
});

test('who registers is told what peers need to find each other', async (t) => {
  const plain = await server.user('plain');
  assert.deepEqual(plain.all('user:registered')[0].webrtc, { iceServers: [], peerViewers: 0 });
  const args = ['--ice-servers', 'stun:192.0.2.1:3478,turn:ada:secret@192.0.2.1', '--peer-viewers', '4'];
  const helped = await Server.start({ args });
  t.after(() => helped.stop());
  const bob = await helped.user('bob');
  assert.deepEqual(bob.all('user:registered')[0].webrtc, {
    iceServers: [
      { urls: 'stun:192.0.2.1:3478' },
      { urls: 'turn:192.0.2.1', username: 'ada', credential: 'secret' },
    ],
    peerViewers: 4,
  });
});

test('unknown events, extra arguments and requests for an acknowledgement are ignored', async () => {
  const bob = await server.user('bob');
  bob.forget();
  bob.emit('no:such:event', { a: 1 });
  let acknowledged = false;
  bob.socket.emit('users:get', { extra: 1 }, [2], () => (acknowledged = true));
  await bob.next('users:list');
  await bob.barrier();
  assert.equal(acknowledged, false);
});

test('health is the union of all that StreamHub ever said there', async () => {
  const ada = await server.publisher('health');
  await server.viewer(ada.key);
  const health = await server.json('/health');
  assert.equal(health.status, 'ok');
  assert.ok(health.activeStreams >= 1);
  assert.equal(health.users.total, health.users.connected + health.users.disconnected);
  assert.equal(health.connectedUsers, health.users.connected);
  assert.equal(health.distribution.activeStreams, health.activeStreams);
  const detail = health.distribution.streamDetails.find((detail) => detail.streamKey === `${ada.key.slice(0, 6)}…`);
  assert.equal(detail.viewers, 1);
  for (const count of ['frames', 'bytes', 'delivered', 'skipped']) assert.equal(typeof detail[count], 'number', count);
  assert.ok(!JSON.stringify(health).includes(ada.key), 'the whole key is nobody’s business here');
});

test('the list of streams has what a viewer may know of those that are live', async () => {
  const waiting = await server.user('waiting', 'STREAMER');
  await waiting.create();
  const ada = await server.publisher('listed');
  const { streams } = await server.json('/streams');
  const listed = streams.find((stream) => stream.streamKey === ada.key);
  assert.equal(listed.status, 'ACTIVE');
  assert.equal(listed.streamerUsername, 'listed');
  assert.ok(streams.every((stream) => stream.streamKey !== waiting.key));
  assert.ok(!JSON.stringify(streams).includes(ada.publishToken));
});

test('a poster is served as it came, and else the newest picture', async () => {
  const ada = await server.publisher();
  const poster = () => fetch(`${server.url}/streams/${ada.key}/poster`);
  assert.equal((await poster()).status, 404);
  const picture = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 7, 7, 0xff, 0xd9]);
  ada.send(`data:image/jpeg;base64,${picture.toString('base64')}`);
  await ada.barrier();
  assert.deepEqual(Buffer.from(await (await poster()).arrayBuffer()), picture);
  const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3, 4]);
  ada.emit('stream:poster', { streamKey: ada.key, data: png });
  await ada.barrier();
  const answer = await poster();
  assert.equal(answer.headers.get('content-type'), 'image/png');
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), png);
});
