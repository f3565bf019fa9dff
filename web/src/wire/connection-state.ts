// The states of a connection. `online` means connected and registered: only then does anything leave the page.

export const CONNECTION = { connecting: 'connecting', online: 'online', offline: 'offline', closed: 'closed' } as const;
export type ConnectionState = (typeof CONNECTION)[keyof typeof CONNECTION];
