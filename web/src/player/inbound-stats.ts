// What a WebRTC connection received, as a path's numbers want it.

export interface Inbound {
  bytes: number;
  frames: number;
  skipped: number;
  /** How long pictures are held for smoothness, ms. */
  bufferMs: number;
}

const NOTHING: Inbound = { bytes: 0, frames: 0, skipped: 0, bufferMs: 0 };

export class InboundStats {
  #last = NOTHING;
  #held = { delay: 0, count: 0 };

  get now(): Inbound {
    return this.#last;
  }

  /** Asks the connection; gives back how much more came since the last time. */
  async ask(connection: RTCPeerConnection): Promise<{ bytes: number; frames: number }> {
    const before = this.#last;
    let bytes = 0;
    let frames = 0;
    let skipped = 0;
    let { bufferMs } = before;
    for (const report of (await connection.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      bytes += report.bytesReceived ?? 0;
      if (report.kind !== 'video') continue;
      frames += report.framesReceived ?? 0;
      skipped += report.framesDropped ?? 0;
      const held = { delay: report.jitterBufferDelay ?? 0, count: report.jitterBufferEmittedCount ?? 0 };
      const emitted = held.count - this.#held.count;
      if (emitted > 0) bufferMs = ((held.delay - this.#held.delay) / emitted) * 1_000;
      this.#held = held;
    }
    this.#last = { bytes, frames, skipped, bufferMs: Math.round(bufferMs) };
    return { bytes: Math.max(0, bytes - before.bytes), frames: Math.max(0, frames - before.frames) };
  }
}
