import type { UpstreamEnd } from '../pop3/upstream-effect.ts';
import { UpstreamLogin, type UpstreamPlan } from '../pop3/upstream-login.ts';
import type { NoticeResult } from '../pop3/xclient.ts';
import type { Connection } from '../transport/transport.ts';
import type { KnownCapabilities } from './capabilities.ts';
import { Dialogue, type DialogueEvents, type DialogueServices, type OpenFailure } from './dialogue.ts';
import { mayBeAway } from './reasons.ts';
import type { Spare } from './spare-set.ts';
import type { Spares } from './spares.ts';
import type { UpstreamServer } from './upstream.ts';

export type OpenResult = OpenTimes & {
  server: UpstreamServer;
  address: string | null;
  notice: NoticeResult;
  /** The login command is out: the maildrop may be locked, and no other server is to be asked. */
  loginSent: boolean;
  /** The user's name is out. */
  nameSent: boolean;
} & (
    | {
        ok: true;
        connection: Connection;
        /** The mailstore's final +OK line, with CRLF. */
        reply: Uint8Array;
        /** What the mailstore sent behind it. */
        rest: Uint8Array;
      }
    | { ok: false; failure: OpenFailure; detail: string }
  );

/**
 * In milliseconds. `connect` ends when the TCP connection stands (null: it never did, or stood before), `login` with the
 * final reply.
 */
export type OpenTimes = { connectMs: number | null; loginMs: number };

/** In milliseconds: until the login is answered, and until its command is out where that has to be sooner. */
export type OpenPatience = { allMs: number; greetingMs: number };

export type UpstreamServices = DialogueServices & {
  /** What is known of the mailstores besides their settings. */
  capabilities: Pick<KnownCapabilities, 'pipelines' | 'lost'>;
  spares: Pick<Spares, 'take' | 'stale'>;
};

/**
 * A spare that is so young is alive. An older one may be dead without a sign: whether it is tells the first reply on it,
 * for which the password waits. A round trip, where few logins are there to take it.
 */
const YOUNG_MS = 5000;
/** How long an older spare may take to answer; a mailstore that is well looks nothing up for it. */
const SPARE_MS = 2000;

export type OpenEvents = {
  /** Called once, unless cancelled first. */
  opened(result: OpenResult): void;
};

/** Opens one logged-in session at a server of a mailstore. */
export class UpstreamOpening implements DialogueEvents {
  readonly #server: UpstreamServer;
  readonly #plan: UpstreamPlan;
  readonly #header: Uint8Array | null;
  readonly #patience: OpenPatience;
  readonly #services: UpstreamServices;
  readonly #events: OpenEvents;
  readonly #startedAt = performance.now();
  #machine: UpstreamLogin;
  #dialogue: Dialogue;
  /** That is talked on; null for a connection of the login's own. */
  #spare: Spare | null = null;
  #over = false;

  /** @param header what goes before all else, TLS included; null for nothing */
  constructor(
    server: UpstreamServer,
    plan: UpstreamPlan,
    header: Uint8Array | null,
    patience: OpenPatience,
    services: UpstreamServices,
    events: OpenEvents,
  ) {
    this.#server = server;
    // The plan is this login's own, and of one server at a time.
    plan.pipelining = services.capabilities.pipelines(server);
    this.#plan = plan;
    this.#header = header;
    this.#patience = patience;
    this.#services = services;
    this.#events = events;
    this.#machine = new UpstreamLogin(this.#plan);
    this.#dialogue = this.#talk();
    // Before anybody is called, the caller has this object in hand.
    queueMicrotask(() => this.#start());
  }

  /** The client is gone: closes what was opened; nobody is told any more. */
  cancel(): void {
    this.#over = true;
    this.#dialogue.cancel();
  }

  #start(): void {
    if (this.#over) return;
    const spare = this.#services.spares.take(this.#server);
    if (spare === null) this.#connect();
    else this.#takeOver(spare);
  }

  #connect(): void {
    this.#dialogue.connect(this.#header, this.#startedAt + this.#patience.greetingMs);
  }

  #takeOver(spare: Spare): void {
    this.#spare = spare;
    this.#machine = new UpstreamLogin({ ...this.#plan, doubted: spare.age >= YOUNG_MS }, spare.greeting);
    this.#dialogue = this.#talk();
    const patience = Math.min(SPARE_MS, this.#patience.greetingMs / 2);
    this.#dialogue.takeOver(spare.connection, performance.now() + patience);
  }

  /** A spare was dead, or said no to a line that told it no secret: what a fresh connection says is what counts. */
  #tryAfresh(): void {
    this.#spare = null;
    this.#machine = new UpstreamLogin(this.#plan);
    this.#dialogue = this.#talk();
    this.#connect();
  }

  #talk(): Dialogue {
    return new Dialogue(this.#server, this.#machine, this.#services, this);
  }

  sent(): void {
    if (this.#machine.loginSent) this.#dialogue.expect(this.#startedAt + this.#patience.allMs);
  }

  reached(end: UpstreamEnd): void {
    if (end.do !== 'done') return;
    const { reply, rest } = end;
    const facts = this.#facts();
    this.#events.opened({ ...facts, ok: true, connection: this.#dialogue.release(), reply, rest });
  }

  failed(failure: OpenFailure, detail: string): void {
    const dead = this.#spare;
    const mayGoOn = dead !== null && !this.#machine.loginSent && failure !== 'cannot-express';
    if (mayBeAway(failure)) this.#services.capabilities.lost(this.#server);
    // Another login is not to find out the same.
    if (dead !== null && (mayGoOn || mayBeAway(failure))) this.#services.spares.stale(this.#server, dead);
    if (mayGoOn) this.#tryAfresh();
    else this.#events.opened({ ...this.#facts(), ok: false, failure, detail });
  }

  #facts() {
    const { notice, loginSent, nameSent } = this.#machine;
    const { address } = this.#dialogue;
    const { connectMs, loginMs } = this.#times();
    return { server: this.#server, address, notice, loginSent, nameSent, connectMs, loginMs };
  }

  #times(): OpenTimes {
    const { connectedAt } = this.#dialogue;
    if (connectedAt === 0) return { connectMs: null, loginMs: 0 };
    const connectMs = this.#spare === null ? connectedAt - this.#startedAt : null;
    return { connectMs, loginMs: performance.now() - connectedAt };
  }
}
