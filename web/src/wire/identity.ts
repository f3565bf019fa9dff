// Who this tab is: name and tokens, kept in the tab's own storage so that a reload goes on as the same person.
//
// Storage may be refused (private windows, blocked site data): then nothing is remembered and everything still works.

export interface PublishRight {
  streamKey: string;
  publishToken: string;
}

export function read(storage: () => Storage, key: string): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

export function write(storage: () => Storage, key: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // Refused storage: the value lives as long as the page.
  }
}

export const tab = (): Storage => sessionStorage;
const browser = (): Storage => localStorage;

/** The token that makes a returning connection the same user, per name and role. */
export const resumeTokens = {
  get: (role: string, username: string) => read(tab, `abanico.resume.${role}.${username}`),
  set: (role: string, username: string, token: string) => write(tab, `abanico.resume.${role}.${username}`, token),
};

/** The stream that this tab was publishing. */
export const lastPublished = {
  get(): (PublishRight & { username: string }) | null {
    try {
      const value: unknown = JSON.parse(read(tab, 'abanico.publishing') ?? 'null');
      if (typeof value !== 'object' || value === null) return null;
      const { streamKey, publishToken, username } = value as Record<string, unknown>;
      if (typeof streamKey !== 'string' || typeof publishToken !== 'string' || typeof username !== 'string')
        return null;
      return { streamKey, publishToken, username };
    } catch {
      return null;
    }
  },
  set: (value: PublishRight & { username: string }) => write(tab, 'abanico.publishing', JSON.stringify(value)),
  clear: () => write(tab, 'abanico.publishing', null),
};

/** What was given to watch private streams, for as long as this tab is open. */
export const watchTokens = {
  get: (streamKey: string) => read(tab, `abanico.watch.${streamKey}`) ?? undefined,
  /** Takes the token of a link that has it behind the `#`. It stays there: whoever keeps the address keeps the link. */
  takeFrom(address: Location, streamKey: string): void {
    const token = new URLSearchParams(address.hash.slice(1)).get('token');
    if (token) write(tab, `abanico.watch.${streamKey}`, token);
  },
};

/** Things a person chose, remembered by the browser. */
export const preference = {
  get: (name: string) => read(browser, `abanico.${name}`),
  set: (name: string, value: string | null) => write(browser, `abanico.${name}`, value),
};

/** Four letters and digits that tell one guest from another. */
export function shortTag(): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('');
}

/** The name under which this tab writes, once its person chose one. */
export const tabName = {
  get: () => read(tab, 'abanico.name'),
  set: (name: string) => write(tab, 'abanico.name', name),
};
