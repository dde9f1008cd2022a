import type { Account, Authenticator, Decision, LoginClient } from '../auth/authenticator.ts';
import type { Log } from '../ops/log.ts';
import type { LoginReason } from '../ops/outcome.ts';
import type { Credentials } from '../pop3/credentials.ts';
import type { LoginOutcome } from '../pop3/effect.ts';
import type { Connection } from '../transport/transport.ts';
import { Timed } from './deadlines.ts';
import { type LoginFacts, newFacts } from './login-facts.ts';
import {
  PoolOpening,
  type PoolOpeningEvents,
  type PoolOpeningServices,
  type PoolResult,
} from './pool-opening.ts';
import { writeHeader } from './proxy-header-writer.ts';
import { outcomeOfDecision, outcomeOfOpening } from './reasons.ts';
import type { SessionClient } from './session-report.ts';
import { couldNameMaster, loginPlan } from './upstream.ts';
import type { UpstreamPool } from './upstream-pool.ts';

export type LoginServices = PoolOpeningServices & {
  authenticator: Authenticator;
  /** The mailstore of a domain (ASCII lower case). */
  upstreamOf(domain: string): UpstreamPool;
  /** From the start of a login to the answer that refuses it, in milliseconds; one for all causes. */
  failureDelayMs: number;
  log: Log;
};

/** How a login came out: what the client is told, what is counted, and the upstream session where there is one. */
export type LoginEnd = {
  outcome: FinalOutcome;
  reason: LoginReason;
  upstream: OpenedUpstream | null;
};
export type OpenedUpstream = { connection: Connection; rest: Uint8Array };
type FinalOutcome = Exclude<LoginOutcome, { result: 'proved' }>;

export type LoginEvents = {
  /** The password has been accepted, the mailstore is asked. */
  connecting(): void;
  /** The client's proof is right, and it waits for the server's: `proceed` goes on. */
  proved(login: Login, serverSignature: string): void;
  /** Called once, unless the login is cancelled first. */
  ended(end: LoginEnd): void;
};

type Accepted = Extract<Decision, { result: 'accepted' }>;

const NO_NAME = outcomeOfDecision('no-local-user');

/** One login: decided by the tables, then opened at the mailstore. On the wheel for the answer that waits for its time. */
export class Login extends Timed implements LoginClient, PoolOpeningEvents {
  readonly facts: LoginFacts;
  readonly #services: LoginServices;
  readonly #credentials: Credentials;
  readonly #client: SessionClient;
  readonly #events: LoginEvents;
  readonly #startedAt = performance.now();
  /** The answer that waits for its time. */
  #late: Pick<LoginEnd, 'outcome' | 'reason'> | null = null;
  /** Behind `proved`. */
  #accepted: Accepted | null = null;
  #opening: PoolOpening | null = null;
  #cancelled = false;
  /** Made when somebody waits for it. */
  #abort: AbortController | null = null;

  constructor(services: LoginServices, credentials: Credentials, client: SessionClient, events: LoginEvents) {
    super();
    this.#services = services;
    this.#credentials = credentials;
    this.#client = client;
    this.#events = events;
    this.facts = newFacts(credentials);
    // Before anybody is called, the caller has this object in hand.
    queueMicrotask(() => this.#decide());
  }

  /** For the authenticator: whose login it is. */
  get address(): string {
    return this.#client.remote.address;
  }

  get gone(): AbortSignal {
    if (this.#cancelled) return AbortSignal.abort();
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Goes on behind `proved`. */
  proceed(): void {
    this.#open(this.#accepted!);
    this.#accepted = null;
  }

  /** The client is gone: nothing more is asked of anybody. */
  cancel(): void {
    this.#cancelled = true;
    this.#abort?.abort();
    this.#services.wheel.clear(this);
    if (this.#opening === null) return;
    this.#opening.cancel();
    this.facts.server = this.#opening.server;
  }

  #decide(): void {
    if (this.#cancelled) return;
    const { authenticator } = this.#services;
    const { local } = this.#client;
    try {
      const decision = authenticator.authenticate(this.#credentials, local.address, this.facts.timings, this);
      if (decision instanceof Promise) this.#decideLater(decision);
      else this.#decided(decision);
    } catch (error) {
      this.#faulted(error);
    }
  }

  async #decideLater(decision: Promise<Decision>): Promise<void> {
    try {
      this.#decided(await decision);
    } catch (error) {
      this.#faulted(error);
    }
  }

  /** A fault of ours: of this one login, not of the process. */
  #faulted(error: unknown): void {
    this.#services.log.event('error', 'login-error', { detail: (error as Error).message });
    if (!this.#cancelled) this.#finish({ result: 'unavailable', code: 'SYS/TEMP' }, 'internal');
  }

  #decided(decision: Decision): void {
    if (this.#cancelled) return;
    switch (decision.result) {
      case 'rejected':
        this.#reject(decision.reason);
        break;
      case 'unavailable':
        // Which is so only where the password was right.
        if (decision.reason === 'no-local-user') this.#refuse(NO_NAME, decision.reason);
        else this.#finish(outcomeOfDecision(decision.reason), decision.reason);
        break;
      case 'accepted':
        if (decision.serverSignature === undefined) {
          this.#open(decision);
          break;
        }
        this.#accepted = decision;
        this.#events.proved(this, decision.serverSignature);
        break;
    }
  }

  #open({ account, rowPassword }: Accepted): void {
    const pool = this.#services.upstreamOf(account.domain);
    const { upstream } = pool;
    const { localUser: user, server: named = null, upstreamChecks } = account;
    if (couldNameMaster(upstream, user)) {
      if (upstreamChecks) this.#reject('unknown-user');
      else this.#refuse(NO_NAME, 'no-local-user');
      return;
    }
    const plan = loginPlan(upstream, user, this.#passwordOf(account), rowPassword ?? null, upstreamChecks);
    if (plan === null) {
      this.#refuse({ result: 'unavailable', code: 'SYS/PERM' }, 'password-needed');
      return;
    }
    this.facts.account = account;
    this.facts.upstream = upstream;
    this.#events.connecting();
    if (upstream.xclient) plan.client = { ...this.#client.remote, session: this.#client.session };
    const { proxyProtocol } = upstream;
    const header = proxyProtocol === null ? null : writeHeader(proxyProtocol, this.#client);
    const login = { pool, user, named, plan, upstreamChecks, header };
    this.#opening = new PoolOpening(login, this.#services, this);
  }

  /** Null where the client has not told it. */
  #passwordOf({ vouched }: Account): string | null {
    return vouched || !('password' in this.#credentials) ? null : this.#credentials.password;
  }

  opened(result: PoolResult): void {
    const { servers } = this.#services;
    if (result.server !== null) {
      const { server, address, connectMs, loginMs, notice, ok } = result;
      this.facts.server = server;
      this.facts.opened = { address, connectMs, loginMs, notice, failed: !ok };
      if (notice === 'not-offered' || notice === 'refused') servers.untold(server, address, notice);
    }
    if (result.ok) {
      const { connection, reply, rest } = result;
      this.#finish({ result: 'accepted', reply }, 'none', { connection, rest });
      return;
    }
    const { outcome, reason } = outcomeOfOpening(result.failure, this.facts.account!.upstreamChecks);
    // A wrong password that the mailstore was asked to check is no failure of the mailstore's.
    if (outcome.result !== 'rejected') this.#tell(result);
    this.#refuse(outcome, reason);
  }

  /** The site's fault, not the user's: the operator is told in full, the client only that it is so. */
  #tell(failed: PoolResult & { ok: false }): void {
    const { servers } = this.#services;
    if (failed.server !== null) servers.failed(failed.server, failed);
    else servers.unrouted(this.facts.upstream!, failed.failure);
  }

  #reject(reason: LoginReason): void {
    this.#refuse({ result: 'rejected' }, reason);
  }

  /**
   * Every login that fails by its password, or with the right one, is answered at the same time after it began,
   * whatever the cause. (Its words tell the two apart, as they must: RFC 3206.)
   */
  #refuse(outcome: FinalOutcome, reason: LoginReason): void {
    this.#late = { outcome, reason };
    const left = this.#startedAt + this.#services.failureDelayMs - performance.now();
    if (left > 0) this.#services.wheel.set(this, left);
    else this.#finish(outcome, reason);
  }

  override due(): void {
    const { outcome, reason } = this.#late!;
    this.#finish(outcome, reason);
  }

  #finish(outcome: FinalOutcome, reason: LoginReason, upstream: OpenedUpstream | null = null): void {
    this.#events.ended({ outcome, reason, upstream });
  }
}
