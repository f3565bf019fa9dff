// python-socketio's own checks, in the same run as the others.

import { execFile } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const python = process.env.ABANICO_PYTHON ?? "python3";
const script = fileURLToPath(new URL("socketio_peer.py", import.meta.url));

test("python-socketio agrees over polling, over WebSocket and through the upgrade", async () => {
  // It ends with an error, and says which, when a check fails.
  await promisify(execFile)(python, [script], { env: process.env });
});
