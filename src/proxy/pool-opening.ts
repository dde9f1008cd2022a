import type { Trial } from '../pool/health.ts';
import type { UpstreamPlan } from '../pop3/upstream-login.ts';
import type { OpenFailure } from './dialogue.ts';
import {
  type OpenEvents,
  type OpenPatience,
  type OpenResult,
  UpstreamOpening,
  type UpstreamServices,
} from './opening.ts';
import type { ServerReport } from './server-report.ts';
import type { UpstreamServer } from './upstream.ts';
import type { ServerMember, UpstreamPool } from './upstream-pool.ts';

/** Whose login it is, and how it is to be said. */
export type PoolLogin = {
  pool: UpstreamPool;
  /** By whom the server is chosen: the local user. */
  user: string;
  /** The server that the table names; null for the user's own. */
  named: string | null;
  plan: UpstreamPlan;
  /** The mailstore checks the password: who the client is, is not known before. */
  upstreamChecks: boolean;
  /** What every connection begins with, TLS included; null for nothing. */
  header: Uint8Array | null;
};

/** Why no server was asked. */
export type RouteFailure =
  /** All that may be tried are known to be down, and another login tries them. */
  | 'server-down'
  /** The table names one that the upstream does not have. */
  | 'unknown-server'
  /** So many logins of one user wait for their answer that each of them seems to have begun the next. */
  | 'nested-login';

/** With the server that it came to, or was tried last; null where none was. */
export type PoolResult = OpenResult | Unrouted;
export type Unrouted = { ok: false; server: null; failure: RouteFailure };
export type LoginFailure = OpenFailure | RouteFailure;

export type PoolOpeningEvents = {
  /** Called once, unless cancelled first. */
  opened(result: PoolResult): void;
};

export type PoolOpeningServices = UpstreamServices & { servers: ServerReport };

const NONE: readonly ServerMember[] = [];

/**
 * Opens one logged-in session at an upstream: at the user's server or, where that fails before the login command is
 * out, at the next one, all under one deadline.
 */
export class PoolOpening implements OpenEvents {
  readonly #login: PoolLogin;
  readonly #services: PoolOpeningServices;
  readonly #events: PoolOpeningEvents;
  readonly #until: number;
  readonly #said: string;
  #tried: readonly ServerMember[] = NONE;
  #member: ServerMember | null = null;
  #trial: Trial = null;
  #opening: UpstreamOpening | null = null;
  #over = false;

  constructor(login: PoolLogin, services: PoolOpeningServices, events: PoolOpeningEvents) {
    this.#login = login;
    this.#services = services;
    this.#events = events;
    this.#until = performance.now() + login.pool.upstream.timeoutMs;
    this.#said = saidOf(login);
    // Where none can be asked, the caller has this object in hand before it is told so.
    const failure = login.pool.enter(this.#said) ? this.#next() : 'nested-login';
    if (failure !== null) queueMicrotask(() => this.#unrouted(failure));
  }

  /** The client is gone: closes what was opened; nobody is told any more. */
  cancel(): void {
    if (this.#over) return;
    this.#leave();
    this.#opening?.cancel();
    this.#member?.health.abandoned(this.#trial);
  }

  /** That is asked, or was asked last; null where none could be. */
  get server(): UpstreamServer | null {
    return this.#member?.server ?? null;
  }

  /** Asks the next server; null where there is one. */
  #next(): RouteFailure | null {
    const { pool, user, named, plan, header } = this.#login;
    const member = pool.choose(user, named, this.#tried);
    if (member === 'unknown') return 'unknown-server';
    if (member === null) return 'server-down';
    this.#member = member;
    this.#trial = member.health.begin();
    this.#opening = new UpstreamOpening(member.server, plan, header, this.#patience(), this.#services, this);
    return null;
  }

  /** One that is silent must leave time for another. */
  #patience(): OpenPatience {
    const { pool, named } = this.#login;
    const allMs = this.#until - performance.now();
    const isLast = named !== null || this.#tried.length + 1 >= pool.choices;
    return { allMs, greetingMs: isLast ? allMs : Math.min(pool.upstream.connectTimeoutMs, allMs / 2) };
  }

  opened(result: OpenResult): void {
    const { pool, upstreamChecks } = this.#login;
    const member = this.#member!;
    const mayGoOn = pool.ended(member, this.#trial, result, upstreamChecks && result.nameSent);
    if (mayGoOn && performance.now() < this.#until) {
      this.#tried = [...this.#tried, member];
      if (this.#next() === null) {
        this.#services.servers.failed(member.server, result as OpenResult & { ok: false });
        return;
      }
    }
    this.#leave();
    this.#events.opened(result);
  }

  #unrouted(failure: RouteFailure): void {
    if (this.#over) return;
    this.#leave();
    this.#events.opened({ ok: false, server: null, failure });
  }

  #leave(): void {
    this.#over = true;
    this.#login.pool.leave(this.#said);
  }
}

/**
 * What comes back where a login goes round: the same name with the same password. Where the mailstore is the one that
 * checks it, whoever waits with wrong ones keeps nobody from coming in by the right one.
 */
function saidOf({ user, plan }: PoolLogin): string {
  return `${user}\0${plan.login.password}`;
}
