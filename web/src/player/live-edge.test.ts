import { expect, test } from 'vitest';
import { LiveEdge, type Range, RECORDER_BOUNDS } from './live-edge.ts';

/** A player that obeys: plays what it has at the rate it is told, and chunks that come every `chunkMs`. */
class Simulation {
  readonly edge = new LiveEdge(RECORDER_BOUNDS);
  now = 0;
  currentTime = 0;
  ranges: Range[] = [];
  rate = 1;
  seeks = 0;
  standingMs = 0;
  #produced = 0;
  #nextChunk: number;

  constructor(
    readonly chunkMs: number,
    readonly offset = 0,
  ) {
    this.#nextChunk = chunkMs;
    this.currentTime = offset;
  }

  run(ms: number, lateness: () => number = () => 0): this {
    const until = this.now + ms;
    while (this.now < until) {
      this.now += 10;
      while (this.#nextChunk <= this.now) {
        this.#produced += this.chunkMs / 1_000;
        this.append(this.offset + this.#produced - this.chunkMs / 1_000, this.offset + this.#produced);
        this.#nextChunk += this.chunkMs + lateness();
      }
      this.play(0.01);
      if (this.now % 200 === 0) this.steer();
    }
    return this;
  }

  append(start: number, end: number): void {
    const last = this.ranges.at(-1);
    if (last && Math.abs(last.end - start) < 0.05) last.end = end;
    else this.ranges.push({ start, end });
    this.edge.appended(this.now, end);
    this.steer();
  }

  steer(): void {
    const { rate, seekTo, removeBefore } = this.edge.steer(this);
    this.rate = rate;
    if (seekTo !== undefined) {
      this.currentTime = seekTo;
      this.seeks += 1;
    }
    if (removeBefore !== undefined) {
      this.ranges = this.ranges
        .filter((range) => range.end > removeBefore)
        .map((range) => ({ start: Math.max(range.start, removeBefore), end: range.end }));
    }
  }

  play(seconds: number): void {
    const here = this.ranges.find((range) => this.currentTime >= range.start && this.currentTime < range.end);
    if (!here) {
      this.standingMs += seconds * 1_000;
      return;
    }
    const wished = this.currentTime + seconds * this.rate;
    if (wished > here.end) this.standingMs += seconds * 1_000;
    this.currentTime = Math.min(wished, here.end);
  }

  get behind(): number {
    return (this.ranges.at(-1)?.end ?? 0) - this.currentTime;
  }
}

test('with chunks of 100 ms the player settles within 300 ms of the edge and does not stand still', () => {
  const player = new Simulation(100).run(10_000);
  player.standingMs = 0;
  player.run(20_000);
  expect(player.behind).toBeLessThan(0.3);
  expect(player.standingMs).toBe(0);
});

test('with chunks of 500 ms the cushion covers a chunk and little more', () => {
  const player = new Simulation(500).run(15_000);
  player.standingMs = 0;
  player.run(20_000);
  expect(player.behind).toBeLessThan(0.75);
  expect(player.standingMs).toBe(0);
});

test('a joiner whose timeline begins late is put to where the media is', () => {
  const player = new Simulation(100, 3_600);
  player.currentTime = 0;
  player.run(2_000);
  expect(player.currentTime).toBeGreaterThan(3_600);
});

test('far behind is jumped, a little behind is made up by playing faster', () => {
  const far = new Simulation(100).run(5_000);
  far.currentTime -= 4;
  const seeks = far.seeks;
  far.run(400);
  expect(far.seeks).toBe(seeks + 1);
  expect(far.behind).toBeLessThan(0.5);

  const near = new Simulation(100).run(5_000);
  near.currentTime -= 0.5;
  const before = near.seeks;
  near.run(6_000);
  expect(near.seeks).toBe(before);
  expect(near.behind).toBeLessThan(0.35);
});

test('the rate stays within what the ear forgives', () => {
  const player = new Simulation(100).run(5_000);
  for (const currentTime of [player.currentTime - 0.9, player.currentTime, player.currentTime + 0.2]) {
    const { rate } = player.edge.steer({ now: player.now, currentTime, ranges: player.ranges });
    expect(rate).toBeGreaterThanOrEqual(0.95);
    expect(rate).toBeLessThanOrEqual(1.25);
  }
});

test('a hole in the timeline is jumped, not waited at', () => {
  const player = new Simulation(100).run(3_000);
  const end = player.ranges.at(-1)?.end ?? 0;
  player.currentTime = end - 0.01;
  player.ranges.push({ start: end + 4, end: end + 4.5 });
  player.steer();
  expect(player.currentTime).toBeGreaterThanOrEqual(end + 4);
});

test('a seek that never ends is put further ahead', () => {
  const edge = new LiveEdge(RECORDER_BOUNDS);
  const ranges = [
    { start: 4.053, end: 4.163 },
    { start: 4.386, end: 6 },
  ];
  edge.appended(0, 6);
  expect(edge.steer({ now: 0, currentTime: 4.054, ranges, isSeeking: true }).seekTo).toBeUndefined();
  expect(edge.steer({ now: 600, currentTime: 4.054, ranges, isSeeking: true }).seekTo).toBeGreaterThan(4.386);
});

test('a player that waits for what has not come is left alone', () => {
  const edge = new LiveEdge(RECORDER_BOUNDS);
  const ranges = [{ start: 0, end: 4 }];
  edge.appended(0, 4);
  for (let now = 0; now < 5_000; now += 200) {
    expect(edge.steer({ now, currentTime: 3.99, ranges }).seekTo).toBeUndefined();
  }
});

test('what was watched is removed when more than 25 s of it are kept', () => {
  const player = new Simulation(500).run(60_000);
  const kept = player.currentTime - (player.ranges[0]?.start ?? 0);
  expect(kept).toBeLessThanOrEqual(26);
  expect(kept).toBeGreaterThanOrEqual(19);
});

test('late chunks raise the cushion until they are covered', () => {
  let seed = 1;
  const jitter = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    // Lateness that is made up again by the next chunk, as on a socket.
    return seed % 4 === 0 ? 150 : seed % 4 === 1 ? -50 : -33;
  };
  const player = new Simulation(100).run(20_000, jitter);
  expect(player.edge.targetMs).toBeGreaterThan(200);
});

test('a recorder that began anew does not count as late', () => {
  const player = new Simulation(100).run(5_000);
  const target = player.edge.targetMs;
  player.edge.restarted();
  player.now += 6_000;
  const end = player.ranges.at(-1)?.end ?? 0;
  player.append(end, end + 0.1);
  expect(player.edge.targetMs).toBeLessThanOrEqual(target);
});

test('nothing is done before there is anything', () => {
  expect(new LiveEdge(RECORDER_BOUNDS).steer({ now: 0, currentTime: 0, ranges: [] })).toEqual({ rate: 1, behind: 0 });
});
