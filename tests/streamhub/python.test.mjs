// python-socketio's clients as viewers. `viewers.py` alone, with its own numbers, measures how late frames are.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server } from './node.mjs';

const python = process.env.ABANICO_PYTHON ?? 'python3';
const script = fileURLToPath(new URL('viewers.py', import.meta.url));

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

for (const transport of ['websocket', 'polling']) {
  test(`python viewers over ${transport} get every frame, byte for byte and in order`, async () => {
    const { stdout } = await promisify(execFile)(python, [
      script, '--url', server.url, '--viewers', '15', '--seconds', '2', '--transport', transport,
    ]);
    const { viewers, viewers_with_every_frame } = JSON.parse(stdout);
    assert.equal(viewers_with_every_frame, viewers);
  });
}
