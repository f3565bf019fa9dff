// Starts an example of the crate for a test file, or takes one that runs already.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/**
 * @param {string} name `PEER` or `CONFORMANCE`: `NAME_URL` names a running server, `NAME_SERVER` a binary to start.
 * @returns {Promise<{url: string, stop: () => Promise<void>}>}
 */
export async function start(name) {
  const url = process.env[`${name}_URL`];
  if (url) {
    return { url, stop: async () => {} };
  }
  const binary = process.env[`${name}_SERVER`];
  if (!binary) {
    throw new Error(`set ${name}_URL or ${name}_SERVER`);
  }
  const child = spawn(binary, ["0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return {
    url: line,
    stop: async () => {
      child.kill();
      await once(child, "exit");
    },
  };
}
