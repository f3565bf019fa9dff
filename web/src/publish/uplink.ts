// Whether a publisher's uplink carries the viewers that it serves itself. Pure.
//
// A connection that could send more if the network let it says so. At its beginning every one does: it feels its way up.

/** So long a connection feels its way. */
const FEELING_MS = 8_000;
/** So long it must be held back to count. */
const HELD_BACK_MS = 3_000;
/** Less than this share of what it should send is held back. */
const SHARE_MIN = 0.5;

export interface PeerSending {
  id: string;
  connectedAt: number;
  bitsPerSecond: number;
  /** What it should send at most. */
  wantedBitsPerSecond: number;
  /** The network holds it back, its encoder says. */
  isLimited: boolean;
}

export class Uplink {
  readonly #heldSince = new Map<string, number>();
  #isCentralLowered = false;

  /** The way to the server sends less than it should, because it does not get more through. */
  centralChanged(change: 'lowered' | 'raised'): void {
    this.#isCentralLowered = change === 'lowered';
  }

  /** Whether it carries these. After it did not, begins to judge anew. */
  carries(peers: readonly PeerSending[], now: number): boolean {
    let heldBack = 0;
    for (const { id, connectedAt, bitsPerSecond, wantedBitsPerSecond, isLimited } of peers) {
      const isHeld = isLimited && bitsPerSecond < wantedBitsPerSecond * SHARE_MIN && now - connectedAt > FEELING_MS;
      if (!isHeld) this.#heldSince.delete(id);
      else if (!this.#heldSince.has(id)) this.#heldSince.set(id, now);
      const since = this.#heldSince.get(id);
      if (since !== undefined && now - since >= HELD_BACK_MS) heldBack += 1;
    }
    for (const id of this.#heldSince.keys()) if (!peers.some((peer) => peer.id === id)) this.#heldSince.delete(id);
    const isFull = peers.length > 0 && (this.#isCentralLowered || heldBack * 2 >= peers.length);
    if (!isFull) return true;
    this.#heldSince.clear();
    this.#isCentralLowered = false;
    return false;
  }
}
