// How much of something per second, over the last few seconds. Pure: times are arguments, in ms.

const WINDOW_MS = 3_000;

export class RateMeter {
  #events: { at: number; amount: number }[] = [];
  #startedAt: number | undefined;

  add(at: number, amount = 1): void {
    this.#startedAt ??= at;
    this.#events.push({ at, amount });
    this.#trim(at);
  }

  perSecond(now: number): number {
    this.#trim(now);
    if (this.#startedAt === undefined) return 0;
    const span = Math.min(WINDOW_MS, Math.max(1_000, now - this.#startedAt));
    return (this.#events.reduce((sum, event) => sum + event.amount, 0) * 1_000) / span;
  }

  reset(): void {
    this.#events = [];
    this.#startedAt = undefined;
  }

  #trim(now: number): void {
    while ((this.#events[0]?.at ?? now) < now - WINDOW_MS) this.#events.shift();
  }
}
