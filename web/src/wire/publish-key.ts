// What lets this tab go live where that is asked for: the operator's key, or a pass for a code that this device scanned at
// the server's machine. Either comes in a link as well, behind the `#`.

import { read, tab, write } from './identity.ts';

/** The operator's key, or the pass that stands in for it, for as long as this tab is open. */
export const publishKey = {
  get: () => read(tab, 'abanico.key'),
  set: (key: string | null) => write(tab, 'abanico.key', key),
  takeFrom: () => takeFromLink('key', publishKey.set),
};

/** The code that this device scanned, until it is exchanged. */
export const pairingCode = {
  get: () => read(tab, 'abanico.pair'),
  set: (code: string | null) => write(tab, 'abanico.pair', code),
  takeFrom: () => takeFromLink('pair', pairingCode.set),
};

/** Exchanges the code for a pass. Undefined if there is no code to exchange. */
export async function pair(): Promise<boolean | undefined> {
  const code = pairingCode.get();
  if (code === null) return undefined;
  try {
    const response = await fetch('/trust/pair', { method: 'POST', body: code });
    // Good once, or not at all.
    pairingCode.set(null);
    if (!response.ok) return false;
    const { pass } = (await response.json()) as { pass: string };
    publishKey.set(pass);
    return true;
  } catch {
    return false;
  }
}

/** What stands behind the `#` no server and no other page sees; nor does it stay in the address and its history. */
function takeFromLink(name: string, take: (value: string) => void): void {
  const value = new URLSearchParams(location.hash.slice(1)).get(name);
  if (!value) return;
  take(value);
  history.replaceState(history.state, '', location.pathname + location.search);
}
