// How much of what was sent has not reached the server yet.
//
// Pure. What a socket calls buffered is only what the browser still holds; the system's own buffers hide seconds of
// video. So questions are asked in between: events keep their order, and the answer to one says that all before it has
// arrived.

/** Between two questions while bytes are sent: well within what the server allows a connection. */
const PROBE_EVERY_MS = 200;

interface Probe {
  id: number;
  sentAt: number;
  /** All bytes that were sent before it. */
  bytesBefore: number;
}

export class Backlog {
  #sent = 0;
  #arrived = 0;
  #probes: Probe[] = [];
  #lastProbeAt = Number.NEGATIVE_INFINITY;
  #fastestMs = Number.POSITIVE_INFINITY;

  /** Bytes that are under way, as far as is known. */
  get bytes(): number {
    return this.#sent - this.#arrived;
  }

  /** How long the oldest open question has waited beyond what an answer takes at best, ms. */
  lateMs(now: number): number {
    const oldest = this.#probes[0];
    if (!oldest) return 0;
    const usual = Number.isFinite(this.#fastestMs) ? this.#fastestMs : 0;
    return Math.max(0, now - oldest.sentAt - usual);
  }

  sent(bytes: number): void {
    this.#sent += bytes;
  }

  /** Whether it is time for the next question. */
  isProbeDue(now: number): boolean {
    return now - this.#lastProbeAt >= PROBE_EVERY_MS;
  }

  asked(id: number, now: number): void {
    this.#lastProbeAt = now;
    this.#probes.push({ id, sentAt: now, bytesBefore: this.#sent });
  }

  /** False if this was none of its questions. */
  answered(id: number, now: number): boolean {
    const at = this.#probes.findIndex((probe) => probe.id === id);
    const probe = this.#probes[at];
    if (!probe) return false;
    this.#probes.splice(0, at + 1);
    this.#arrived = Math.max(this.#arrived, probe.bytesBefore);
    this.#fastestMs = Math.min(this.#fastestMs, now - probe.sentAt);
    return true;
  }

  /** A new connection owes nothing. */
  reset(): void {
    this.#arrived = this.#sent;
    this.#probes = [];
    this.#lastProbeAt = Number.NEGATIVE_INFINITY;
  }
}
