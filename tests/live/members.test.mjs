// Socket.IO connections of people whose media go over another door: they talk, control and are told of everything, and
// neither take the seat from the publisher nor are they counted twice.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, settled } from '../streamhub/node.mjs';
import { Get, live, pieces, plays, Put, recording, tidy } from './peers.mjs';

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server.stop();
  await tidy();
});

/** Ada's stream, which she publishes over HTTP: half of it is there. */
async function published() {
  const bytes = await recording('WebM VP8');
  const ada = await server.publisher();
  const request = new Put(server, ada.key, { headers: { Authorization: `Bearer ${ada.publishToken}` } });
  const cut = pieces(bytes);
  const middle = Math.floor(cut.length / 2);
  for (const piece of cut.slice(0, middle)) await request.write(piece);
  await live(server, ada.key);
  const finish = async () => {
    for (const piece of cut.slice(middle)) await request.write(piece);
    return request.end();
  };
  return { ada, bytes, finish };
}

test('a member without media is in the room and is not counted', async () => {
  const { ada, finish } = await published();
  const bob = await server.user('bob');
  bob.emit('stream:join', { streamKey: ada.key, media: false });
  const joined = await bob.next('stream:joined');
  assert.equal(joined.stream.viewerCount, 0);
  assert.equal((await ada.next('viewer:joined')).username, 'bob');
  const viewer = await Get.open(server, `/live/${ada.key}.webm`);
  assert.equal((await bob.next('viewer:count:update')).viewerCount, 1, 'who watches over HTTP is counted');
  bob.emit('chat:message:send', { streamKey: ada.key, content: 'hello' });
  const said = (message) => message.message.content === 'hello';
  await ada.next('chat:message:broadcast', said);
  assert.equal((await finish()).status, 200);
  await viewer.ended;
  await bob.next('stream:ended');
  assert.deepEqual([...bob.all('stream:data'), ...bob.all('stream:buffer')], []);
});

test('a member without media that leaves or breaks off is told to the room', async () => {
  const { ada, finish } = await published();
  for (const go of [(bob) => bob.emit('stream:leave', { streamKey: ada.key }), (bob) => bob.cut()]) {
    const bob = await server.user('bob');
    bob.emit('stream:join', { streamKey: ada.key, media: false });
    await bob.next('stream:joined');
    await ada.next('viewer:joined');
    go(bob);
    assert.deepEqual(await ada.next('viewer:left'), { username: 'bob', viewerCount: 0 });
  }
  await finish();
});

test('a member that asks for media after all is given them', async () => {
  const { ada, bytes, finish } = await published();
  const bob = await server.user('bob');
  bob.emit('stream:join', { streamKey: ada.key, media: false });
  await bob.next('stream:joined');
  const joined = await bob.join(ada.key);
  assert.equal(joined.stream.viewerCount, 1);
  await finish();
  await bob.next('stream:ended');
  const frames = [...bob.all('stream:buffer').flatMap(({ frames }) => frames), ...bob.all('stream:data')];
  await plays(Buffer.concat(frames.map((frame) => frame.data)), bytes);
});

test('the streamer controls the stream while the media go over another door', async () => {
  const { ada, finish } = await published();
  const bob = await server.viewer(ada.key, 'bob');
  const { key: streamKey, publishToken } = ada;
  const again = await server.user('ada', 'STREAMER');
  again.emit('stream:start', { streamKey, publishToken, media: false });
  assert.equal((await again.next('stream:started')).stream.status, 'ACTIVE');
  again.emit('stream:poster', { streamKey, publishToken, data: Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xd9]) });
  again.emit('stream:pause', { streamKey, publishToken, paused: true });
  assert.equal((await bob.next('stream:paused')).paused, true);
  await settled(again);
  assert.deepEqual(again.all('stream:error'), []);
  assert.equal((await fetch(`${server.url}/live/${streamKey}.jpg`)).status, 200, 'the poster of a stream of video');
  assert.equal((await finish()).status, 200, 'nobody took the seat');
});

test('nobody controls a stream with a token that is not its own', async () => {
  const { ada, finish } = await published();
  const eve = await server.user('eve', 'STREAMER');
  for (const [name, more] of [
    ['stream:start', { media: false }],
    ['stream:pause', { paused: true }],
    ['stream:poster', { data: Buffer.from([0xff, 0xd8, 0xff]) }],
    ['stream:end', {}],
  ]) {
    for (const publishToken of [undefined, 'wrong']) {
      eve.emit(name, { streamKey: ada.key, publishToken, ...more });
      await eve.next('stream:error');
    }
  }
  assert.equal((await finish()).status, 200);
});

test('who watches over HTTP before the recording can be joined is given it as soon as it can', async () => {
  const bytes = await recording('WebM VP8');
  const ada = await server.publisher();
  // A few bytes of the init segment: nobody can join here.
  ada.emit('stream:data:send', { streamKey: ada.key, data: bytes.subarray(0, 60) });
  await settled(ada);
  const early = Get.open(server, `/live/${ada.key}.webm`);
  await server.until(async () => (await server.json('/health')).distribution.streamDetails.some((one) => ada.key.startsWith(one.streamKey.slice(0, 6)) && one.viewers === 1));
  for (const piece of pieces(bytes.subarray(60))) ada.emit('stream:data:send', { streamKey: ada.key, data: piece });
  await settled(ada);
  const get = await early;
  assert.equal(get.status, 200);
  ada.emit('stream:end', { streamKey: ada.key });
  await plays(await get.ended);
});
