// Which viewers a publisher serves itself: who asked, who has a place, who must go over to the server. Pure.
//
// Who insists, or knows no other way, is served as long as there is a place at all; who was left to choose only up to
// `max`. Connections are begun and ended one after the other, and after each this page is left alone for as long as that took:
// what it already sends goes on meanwhile. So a page that has time begins quickly, and one that is busy slowly.

import type { Delivery } from '../peer/delivery.ts';
import type { CentralMeanwhile } from '../wire/events.ts';

/** A page encodes for each of them: more are refused. */
export const PEERS_MAX = 50;
/** Who asks and has no place is remembered; more are not, and ask again by themselves. */
const WAITING_MAX = 200;
/** One that takes longer than this does not hold up the next; and the longest pause after one. */
const LONG_MS = 1_000;
/** A connection that is not there after this is not coming, and a viewer that has not gone by then is left behind. */
const MOVE_MAX_MS = 6_000;
/** A question that is repeated so soon has crossed with its answer; and nobody is begun anew more often than this. */
const CROSSED_MS = 1_500;
/** After the uplink was full, nobody new is taken for so long. */
const FULL_FOR_MS = 30_000;

export type PeerPhase = 'waiting' | 'beginning' | 'connected' | 'leaving';
/** Undefined of a page that knows no other way. */
export type PeerWish = 'auto' | 'p2p' | undefined;

/** What a viewer says of itself when it asks. */
export interface Asker {
  name: string | undefined;
  wish: PeerWish;
  /** What the server does for it meanwhile. */
  central: CentralMeanwhile;
}

export interface Place extends Asker {
  readonly id: string;
  phase: PeerPhase;
  since: number;
}

export type Step =
  | { do: 'begin'; id: string }
  /** Go over to the server; its connection is ended when it has. */
  | { do: 'send-away'; id: string }
  /** No place, and there will be none soon. */
  | { do: 'refuse'; id: string; reason: 'central' | 'full' }
  | { do: 'end'; id: string };

export class PeerPlaces {
  readonly #places = new Map<string, Place>();
  #delivery: Delivery;
  /** How many of those who were left to choose. */
  #max = 0;
  #fullUntil = Number.NEGATIVE_INFINITY;
  /** Nobody is begun, and nobody is sent away, before then. */
  #goesOnAt = 0;

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  get all(): Place[] {
    return [...this.#places.values()];
  }

  /** How many viewers that were left to choose are wanted now. */
  get wanted(): number {
    if (this.#delivery === 'central') return 0;
    return this.#delivery === 'p2p' ? PEERS_MAX : this.#max;
  }

  set delivery(delivery: Delivery) {
    this.#delivery = delivery;
    this.#fullUntil = Number.NEGATIVE_INFINITY;
  }

  set max(max: number) {
    this.#max = Math.min(PEERS_MAX, max);
  }

  /**
   * A viewer asks. Steps that must be taken at once. `again`: it was answered before, perhaps by an earlier page. Who has a place
   * has it still, who tells its wish notices by itself that nothing comes; who knows no other way asks only once.
   */
  asked(id: string, asker: Asker, now: number, again = false): Step[] {
    const before = this.#places.get(id);
    if (again && (before || asker.wish)) return [];
    if (before) {
      Object.assign(before, asker);
      const hasCrossed = now - before.since < CROSSED_MS;
      if (before.phase === 'waiting' || before.phase === 'leaving' || hasCrossed) return [];
      // It has lost what it had.
      this.#enter(before, 'waiting', now);
      return [{ do: 'end', id }];
    }
    if (this.all.filter(({ phase }) => phase === 'waiting').length >= WAITING_MAX) return [];
    this.#places.set(id, { id, ...asker, phase: 'waiting', since: now });
    return [];
  }

  connected(id: string, now: number): void {
    const place = this.#places.get(id);
    if (place?.phase === 'beginning') this.#enter(place, 'connected', now);
  }

  /** Its connection is over. Who was sent away, and was left to choose, may be asked back later. */
  over(id: string, now: number): void {
    const place = this.#places.get(id);
    if (!place) return;
    if (place.phase === 'leaving' && place.wish === 'auto') this.#enter(place, 'waiting', now);
    else this.#places.delete(id);
  }

  /** It is not in the stream any more. */
  gone(id: string): void {
    this.#places.delete(id);
  }

  /** The uplink carries no more: one who has a choice goes, and nobody new comes for a while. */
  uplinkFull(now: number): void {
    this.#fullUntil = now + FULL_FOR_MS;
  }

  isFull(now: number): boolean {
    return now < this.#fullUntil;
  }

  /** The newest of those who were left to choose. */
  newest(): Place | undefined {
    return this.all.filter((place) => place.wish === 'auto' && place.phase === 'connected').at(-1);
  }

  /** What is to be done now. `hasPicture`: there is something to send. */
  steps(now: number, hasPicture: boolean): Step[] {
    const steps: Step[] = [];
    for (const place of this.all) {
      if (isMoving(place) && now - place.since > MOVE_MAX_MS) {
        steps.push({ do: 'end', id: place.id });
        this.over(place.id, now);
      }
    }
    this.#sendAway(steps, now);
    if (hasPicture) this.#begin(steps, now);
    return steps;
  }

  /** Makes this one go over to the server. */
  sendAway(place: Place, now: number): Step {
    this.#enter(place, 'leaving', now);
    return { do: 'send-away', id: place.id };
  }

  #sendAway(steps: Step[], now: number): void {
    let tooMany = this.#autos().length - this.wanted;
    for (const place of this.all.reverse()) {
      if (!this.#mayNext('leaving', now)) return;
      const isServed = place.phase === 'beginning' || place.phase === 'connected';
      if (!isServed || !this.#mustGo(place, tooMany)) continue;
      if (place.wish === 'auto') tooMany -= 1;
      steps.push(this.sendAway(place, now));
    }
  }

  #mustGo(place: Place, tooMany: number): boolean {
    if (place.wish === 'auto') return tooMany > 0;
    return place.wish === 'p2p' && this.#delivery === 'central';
  }

  #begin(steps: Step[], now: number): void {
    let served = this.all.filter(({ phase }) => phase !== 'waiting').length;
    let autos = this.#autos().length;
    for (const place of this.all) {
      if (place.phase !== 'waiting') continue;
      const isChoosing = place.wish === 'auto';
      if (isChoosing && (autos >= this.wanted || this.isFull(now) || served >= PEERS_MAX)) continue;
      const isUnwanted = place.wish === 'p2p' && this.#delivery === 'central';
      if (!isChoosing && (isUnwanted || served >= PEERS_MAX)) {
        this.#places.delete(place.id);
        steps.push({ do: 'refuse', id: place.id, reason: isUnwanted ? 'central' : 'full' });
        continue;
      }
      if (!this.#mayNext('beginning', now)) continue;
      this.#enter(place, 'beginning', now);
      steps.push({ do: 'begin', id: place.id });
      served += 1;
      if (isChoosing) autos += 1;
    }
  }

  /** Those who were left to choose, and are served. */
  #autos(): Place[] {
    return this.all.filter(({ wish, phase }) => wish === 'auto' && (phase === 'beginning' || phase === 'connected'));
  }

  /** Whether one more may be begun, or sent away: not while another is, unless that takes long. */
  #mayNext(phase: 'beginning' | 'leaving', now: number): boolean {
    const holdsUp = (place: Place) => place.phase === phase && now - place.since < LONG_MS;
    return now >= this.#goesOnAt && !this.all.some(holdsUp);
  }

  #enter(place: Place, phase: PeerPhase, now: number): void {
    if (isMoving(place)) this.#goesOnAt = now + Math.min(LONG_MS, now - place.since);
    place.phase = phase;
    place.since = now;
    // The newest last.
    this.#places.delete(place.id);
    this.#places.set(place.id, place);
  }
}

function isMoving({ phase }: Place): boolean {
  return phase === 'beginning' || phase === 'leaving';
}
