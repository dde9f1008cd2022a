import type { Log } from '../ops/log.ts';
import type { Metrics } from '../ops/metrics.ts';
import { UpstreamGreeting } from '../pop3/upstream-greeting.ts';
import type { Connection } from '../transport/transport.ts';
import { Backoff } from './backoff.ts';
import { Deadline } from './deadlines.ts';
import { Dialogue, type DialogueServices, type OpenFailure } from './dialogue.ts';
import { takeLeave } from './farewell.ts';
import type { Seldom } from './seldom.ts';
import type { UpstreamServer } from './upstream.ts';

/** A connection opened ahead: greeted, TLS standing, and nothing said on it about anybody. */
export type Spare = {
  connection: Connection;
  greeting: UpstreamGreeting;
  /** When it was ready, by performance.now(), and how long ago that was when it was taken. */
  readyAt: number;
  age: number;
};

export type SpareServices = DialogueServices & {
  log: Log;
  metrics: Pick<Metrics, 'sparesReady' | 'spare'>;
  /** When spares of a mailstore were last said to fail. */
  failing: Seldom;
  /** A spare was closed by the mailstore: it may have restarted. */
  lost(server: UpstreamServer): void;
};

/** One that is being opened, or ready. */
class Slot {
  readonly greeting: UpstreamGreeting;
  readonly dialogue: Dialogue;
  readonly aging: Deadline;
  /** By performance.now(); null until it is ready. */
  readyAt: number | null = null;

  constructor(server: UpstreamServer, services: DialogueServices, events: SlotEvents) {
    const { tls, own } = server.upstream;
    this.greeting = new UpstreamGreeting(tls, own);
    this.dialogue = new Dialogue(server, this.greeting, services, {
      reached: () => events.ready(this),
      failed: (failure, detail) => events.failed(this, failure, detail),
    });
    this.aging = new Deadline(() => events.aged(this));
  }

  get age(): number {
    return this.readyAt === null ? 0 : performance.now() - this.readyAt;
  }
}

type SlotEvents = {
  ready(slot: Slot): void;
  failed(slot: Slot, failure: OpenFailure, detail: string): void;
  aged(slot: Slot): void;
};

/** The connections opened ahead to one server of a mailstore: as many as it is set to have, being opened or ready. */
export class SpareSet {
  readonly #server: UpstreamServer;
  readonly #services: SpareServices;
  readonly #backoff: Backoff;
  readonly #retry = new Deadline(() => this.#fill());
  readonly #opening = new Set<Slot>();
  /** The one that was ready last is the last. */
  readonly #ready: Slot[] = [];
  /** The last one could not be opened, or was closed by the mailstore: one at a time is tried until one stands. */
  #doubted = false;
  #closed = false;

  /** @param retryMs from a failure to the next try; it doubles */
  constructor(server: UpstreamServer, services: SpareServices, retryMs?: number) {
    this.#server = server;
    this.#services = services;
    this.#backoff = new Backoff(retryMs);
  }

  open(): void {
    this.#fill();
  }

  /** The one opened last, which is the likeliest to be alive; another is opened in its place. */
  take(): Spare | null {
    const slot = this.#ready.pop();
    this.#services.metrics.spare(this.#server.upstream.name, slot === undefined ? 'missed' : 'taken');
    if (slot === undefined) return null;
    this.#left(slot);
    this.#backoff.reset();
    const { age, greeting, dialogue } = slot;
    const readyAt = slot.readyAt!;
    queueMicrotask(() => this.#fill());
    return { connection: dialogue.release(), greeting, readyAt, age };
  }

  /** One that was taken was dead: those that are as old are no better. */
  stale(readyAt: number): void {
    this.#services.metrics.spare(this.#server.upstream.name, 'stale');
    this.#doubted = true;
    this.#dismiss((slot) => slot.readyAt! <= readyAt);
    this.#fill();
  }

  /** Opens all anew: names may have got other addresses, servers other certificates. */
  renew(): void {
    this.#dismiss(() => true);
    this.#fill();
  }

  close(): void {
    this.#closed = true;
    this.#services.wheel.clear(this.#retry);
    for (const { dialogue } of this.#opening) dialogue.cancel();
    this.#opening.clear();
    this.#dismiss(() => true);
  }

  #fill(): void {
    if (this.#closed || this.#retry.next !== null) return;
    let room = this.#server.upstream.preconnect.count - this.#opening.size - this.#ready.length;
    if (this.#doubted) room = Math.min(room, 1 - this.#opening.size);
    for (; room > 0; room--) this.#openOne();
  }

  #fillLater(): void {
    if (this.#closed || this.#retry.next !== null) return;
    this.#services.wheel.set(this.#retry, this.#backoff.failed());
  }

  #openOne(): void {
    const slot = new Slot(this.#server, this.#services, {
      ready: (ready) => this.#isReady(ready),
      failed: (lost, failure, detail) => this.#failed(lost, failure, detail),
      aged: (old) => this.#aged(old),
    });
    this.#opening.add(slot);
    slot.dialogue.connect(null, performance.now() + this.#server.upstream.timeoutMs);
  }

  #isReady(slot: Slot): void {
    slot.dialogue.rest();
    slot.readyAt = performance.now();
    this.#opening.delete(slot);
    this.#ready.push(slot);
    this.#services.metrics.sparesReady(this.#server.upstream.name, 1);
    // Those opened together do not all leave together.
    const ageMs = this.#server.upstream.preconnect.ageMs * (1 - Math.random() / 10);
    this.#services.wheel.set(slot.aging, ageMs);
    this.#doubted = false;
    this.#fill();
  }

  /** It was not opened, or the mailstore has closed it or spoken on it out of turn. */
  #failed(slot: Slot, failure: OpenFailure, detail: string): void {
    const { readyAt, age } = slot;
    this.#opening.delete(slot);
    if (readyAt !== null) this.#left(slot);
    this.#services.metrics.spare(this.#server.upstream.name, readyAt === null ? 'failed' : 'lost');
    this.#say(
      failure,
      readyAt === null ? detail : `${detail}, ${Math.round(age / 1000)} s after its greeting`,
    );
    if (readyAt !== null) this.#services.lost(this.#server);
    this.#doubted = true;
    this.#fillLater();
  }

  #aged(slot: Slot): void {
    this.#left(slot);
    this.#services.metrics.spare(this.#server.upstream.name, 'aged');
    this.#backoff.reset();
    takeLeave(slot.dialogue.release(), this.#services.wheel);
    this.#fill();
  }

  #dismiss(which: (slot: Slot) => boolean): void {
    for (const slot of this.#ready.filter(which)) {
      this.#left(slot);
      takeLeave(slot.dialogue.release(), this.#services.wheel);
    }
  }

  /** It is ready no longer. */
  #left(slot: Slot): void {
    this.#services.wheel.clear(slot.aging);
    this.#services.metrics.sparesReady(this.#server.upstream.name, -1);
    const at = this.#ready.indexOf(slot);
    if (at >= 0) this.#ready.splice(at, 1);
  }

  #say(failure: OpenFailure, detail: string): void {
    const { failing, wheel, log } = this.#services;
    const { upstream, name: server } = this.#server;
    const unlogged = failing.happened(`${upstream.name} ${server}`, wheel.now);
    if (unlogged === null) return;
    const why = { failure, detail, unlogged };
    log.event('warn', 'spare-failed', { upstream: upstream.name, server, ...why });
  }
}
