import type { Account, Authenticator, Decision, Timings } from '../auth/authenticator.ts';
import type { Log } from '../ops/log.ts';
import type { LoginReason } from '../ops/outcome.ts';
import type { LoginOutcome } from '../pop3/effect.ts';
import type { Credentials } from '../pop3/sasl.ts';
import type { Connection } from '../transport/transport.ts';
import { Deadline } from './deadlines.ts';
import { outcomeOfOpening } from './reasons.ts';
import {
  couldNameMaster,
  loginPlan,
  type OpenFailure,
  type OpenResult,
  type Upstream,
  UpstreamOpening,
  type UpstreamServices,
} from './upstream.ts';

export type LoginServices = UpstreamServices & {
  authenticator: Authenticator;
  /** The mailstore of a domain (ASCII lower case). */
  upstreamOf(domain: string): Upstream;
  /** From the start of a login to the answer that refuses it, in milliseconds; one for all causes. */
  failureDelayMs: number;
  log: Log;
};

/** How a login came out: what the client is told, what is counted, and the upstream session where there is one. */
export type LoginEnd = {
  outcome: LoginOutcome;
  reason: LoginReason;
  upstream: OpenedUpstream | null;
};
export type OpenedUpstream = { connection: Connection; rest: Uint8Array };

/** What is known of a login while it runs and after; read by the session's report. */
export type LoginFacts = {
  credentials: Credentials;
  timings: Timings;
  account: Account | null;
  upstream: Upstream | null;
  opened: OpenResult | null;
};

export type LoginEvents = {
  /** The password has been accepted, the mailstore is asked. */
  connecting(): void;
  /** Called once, unless the login is cancelled first. */
  ended(end: LoginEnd): void;
};

/** One login: decided by the tables, then opened at the mailstore. */
export class Login {
  readonly facts: LoginFacts;
  readonly #services: LoginServices;
  readonly #events: LoginEvents;
  readonly #startedAt = performance.now();
  readonly #delay = new Deadline(() => this.#finish({ result: 'rejected' }, this.#reason));
  #reason: LoginReason = 'none';
  #opening: UpstreamOpening | null = null;
  readonly #abort = new AbortController();

  /**
   * @param localAddress the address that the client connected to
   */
  constructor(services: LoginServices, credentials: Credentials, localAddress: string, events: LoginEvents) {
    this.#services = services;
    this.#events = events;
    this.facts = {
      credentials,
      timings: { lookup: 0, verify: 0 },
      account: null,
      upstream: null,
      opened: null,
    };
    this.#decide(localAddress);
  }

  /** The client is gone: nothing more is asked of anybody. */
  cancel(): void {
    this.#abort.abort();
    this.#services.wheel.clear(this.#delay);
    this.#opening?.cancel();
  }

  async #decide(localAddress: string): Promise<void> {
    const { credentials, timings } = this.facts;
    const { signal } = this.#abort;
    const decision = await this.#services.authenticator.authenticate(
      credentials,
      localAddress,
      timings,
      signal,
    );
    if (!signal.aborted) this.#decided(decision);
  }

  #decided(decision: Decision): void {
    switch (decision.result) {
      case 'rejected':
        this.#reject(decision.reason);
        break;
      case 'unavailable':
        this.#finish({ result: 'unavailable', code: 'SYS/TEMP' }, decision.reason);
        break;
      case 'accepted':
        this.#open(decision.account);
        break;
    }
  }

  #open(account: Account): void {
    const upstream = this.#services.upstreamOf(account.domain);
    const { password } = this.facts.credentials;
    if (couldNameMaster(upstream, account.localUser)) {
      if (account.upstreamChecks) this.#reject('unknown-user');
      else this.#finish({ result: 'unavailable', code: 'SYS/PERM' }, 'no-local-user');
      return;
    }
    this.facts.account = account;
    this.facts.upstream = upstream;
    this.#events.connecting();
    const plan = loginPlan(upstream, account.localUser, password, account.upstreamChecks);
    this.#opening = new UpstreamOpening(upstream, plan, this.#services, (result) =>
      this.#opened(result, account.upstreamChecks),
    );
  }

  #opened(result: OpenResult, upstreamChecks: boolean): void {
    this.facts.opened = result;
    if (result.ok) {
      const { connection, reply, rest } = result;
      this.#finish({ result: 'accepted', reply }, 'none', { connection, rest });
      return;
    }
    const { outcome, reason } = outcomeOfOpening(result.failure, upstreamChecks);
    if (outcome.result !== 'rejected') this.#warn(result.failure, result);
    if (outcome.result === 'rejected') this.#reject(reason);
    else this.#finish(outcome, reason);
  }

  /** The site's fault, not the user's: the operator is told in full, the client only that it is so. */
  #warn(failure: OpenFailure, result: { detail: string; address: string | null }): void {
    const { name, host, port } = this.facts.upstream!;
    const { detail, address } = result;
    this.#services.log.event('warn', 'upstream-failed', {
      upstream: name,
      address: address ?? host,
      port,
      failure,
      detail,
    });
  }

  /** Every refused login is answered at the same time after it began, whatever the cause. */
  #reject(reason: LoginReason): void {
    this.#reason = reason;
    const left = this.#startedAt + this.#services.failureDelayMs - performance.now();
    if (left > 0) this.#services.wheel.set(this.#delay, left);
    else this.#finish({ result: 'rejected' }, reason);
  }

  #finish(outcome: LoginOutcome, reason: LoginReason, upstream: OpenedUpstream | null = null): void {
    this.#events.ended({ outcome, reason, upstream });
  }
}
