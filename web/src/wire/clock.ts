// How far the server's clock is ahead of this page's, from the answers to `clock:get`.
//
// Pure. The answer that took the shortest way there and back is the most exact one; newer ones replace it slowly, because
// clocks drift.

interface Sample {
  offset: number;
  roundTrip: number;
  at: number;
}

/** Samples older than this no longer count. */
const SAMPLE_AGE_MAX_MS = 120_000;
const SAMPLES_MAX = 16;

export class ClockOffset {
  #samples: Sample[] = [];

  /** Takes one answer: when it was asked and answered in local time, and what the server's clock said. */
  add(sentAt: number, receivedAt: number, serverNow: number): void {
    const roundTrip = receivedAt - sentAt;
    if (roundTrip < 0 || !Number.isFinite(serverNow)) return;
    this.#samples.push({ offset: serverNow - (sentAt + roundTrip / 2), roundTrip, at: receivedAt });
    this.#samples = this.#samples.filter((s) => receivedAt - s.at <= SAMPLE_AGE_MAX_MS).slice(-SAMPLES_MAX);
  }

  get known(): boolean {
    return this.#samples.length > 0;
  }

  /** Milliseconds to add to a local time to get the server's. Zero until it is known. */
  get offset(): number {
    let best: Sample | undefined;
    for (const sample of this.#samples) if (!best || sample.roundTrip <= best.roundTrip) best = sample;
    return best?.offset ?? 0;
  }

  /** The shortest round trip seen, in ms. */
  get roundTrip(): number | undefined {
    return this.#samples.length === 0 ? undefined : Math.min(...this.#samples.map((s) => s.roundTrip));
  }

  toServer(localTime: number): number {
    return localTime + this.offset;
  }
}
