// A browser driven over the bare DevTools protocol. Playwright holds every page to be seen and focused; only without it
// can a tab really be hidden behind another.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BROWSER_FLAGS, browserPath, PATIENCE_MS } from './house.mjs';

/** Starts a browser; it ends with the test `t`. */
export async function startRawBrowser(t) {
  const profile = await mkdtemp(join(tmpdir(), 'abanico-e2e-profile-'));
  const flags = ['--headless', '--remote-debugging-pipe', `--user-data-dir=${profile}`, ...BROWSER_FLAGS];
  const child = spawn(browserPath(), [...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  t.after(async () => {
    if (child.exitCode === null) {
      send('Browser.close').catch(() => {});
      await once(child, 'exit');
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });

  const [, , , out, into] = child.stdio;
  const waiting = new Map();
  let lastId = 0;
  let rest = Buffer.alloc(0);
  into.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const { id, result, error } = JSON.parse(rest.subarray(0, end).toString());
      rest = rest.subarray(end + 1);
      const settle = waiting.get(id);
      waiting.delete(id);
      if (error) settle?.reject(new Error(error.message));
      else settle?.resolve(result);
    }
  });
  function send(method, params = {}, sessionId = undefined) {
    const id = ++lastId;
    out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }

  return {
    /** Opens a tab in front of the others. */
    async open(url) {
      const { targetId } = await send('Target.createTarget', { url });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      return new Tab(
        (method, params) => send(method, params, sessionId),
        () => send('Target.activateTarget', { targetId }),
      );
    },
  };
}

class Tab {
  #send;
  bringToFront;

  constructor(send, bringToFront) {
    this.#send = send;
    this.bringToFront = bringToFront;
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits, inside the page, until an expression is true; looked at whenever the page changes. Answers what another is then. */
  async until(expression, answer = 'true') {
    const patientUntil = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.evaluate(waitFor(expression, answer));
      } catch (error) {
        // The page went to another one in the middle of it; the new one is asked again.
        const hasMoved = /context|navigat|collected/i.test(error.message);
        if (!hasMoved || Date.now() > patientUntil) throw error;
      }
    }
  }
}

function waitFor(expression, answer) {
  return `new Promise((resolve, reject) => {
    const look = () => { if (!(${expression})) return; observer.disconnect(); clearInterval(timer); resolve(${answer}); };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, attributes: true });
    document.addEventListener('visibilitychange', look);
    const timer = setInterval(look, 250);
    setTimeout(() => reject(new Error('in vain: ' + ${JSON.stringify(expression)})), ${PATIENCE_MS});
    look();
  })`;
}
