import type { HealthSettings, Trial } from '../pool/health.ts';
import { type Member, Pool } from '../pool/pool.ts';
import type { OpenFailure } from './dialogue.ts';
import { isServersFault } from './reasons.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';

export type ServerMember = Member<UpstreamServer>;

export type ServerFailure = { failure: OpenFailure; detail: string; address: string | null };

/** How talking to a server came out, as far as it tells whether the server can be used. */
export type ServerOutcome = { ok: true } | ({ ok: false; loginSent: boolean } & ServerFailure);

export type PoolEvents = {
  /** Each once, when it changes. `ms`: how long it was down; `all`: no server of its upstream is up now, or was before. */
  down(server: UpstreamServer, failure: ServerFailure, all: boolean): void;
  up(server: UpstreamServer, ms: number, all: boolean): void;
};

/**
 * Logins of one local user, with one password, that wait for the mailstore at the same time. A maildrop is for one
 * session, so that many more of them come from a proxy that leads back here, by whatever detour: each login would begin
 * the next, and that until no descriptor is left.
 */
const MOST_WAITING = 256;

export type UpstreamHealth = HealthSettings & {
  /** From one check of a server that is up to the next; null where there are none. */
  checkMs: number | null;
};

/** An upstream's servers, which of them a login goes to, and what is known of each. */
export class UpstreamPool {
  readonly upstream: Upstream;
  readonly health: UpstreamHealth;
  /** Servers that a login may go to whose table names none. */
  readonly choices: number;
  readonly #pool: Pool<UpstreamServer>;
  readonly #events: PoolEvents;
  readonly #clock: () => number;
  /** By local user and password. */
  readonly #waiting = new Map<string, number>();
  /** Told of each server that goes down. */
  onDown: ((member: ServerMember) => void) | null = null;

  /** @param servers one at least, all of one upstream; @param clock monotonic, in milliseconds */
  constructor(
    servers: readonly [UpstreamServer, ...UpstreamServer[]],
    health: UpstreamHealth,
    events: PoolEvents,
    clock: () => number = () => performance.now(),
  ) {
    this.upstream = servers[0].upstream;
    this.health = health;
    this.choices = servers.filter(({ weight }) => weight > 0).length;
    this.#events = events;
    this.#clock = clock;
    this.#pool = new Pool(servers, { ...health, loginsTry: health.checkMs === null }, clock());
  }

  get members(): readonly ServerMember[] {
    return this.#pool.members;
  }

  /** Whether any server is up, those of weight 0 aside. */
  get up(): boolean {
    return this.#pool.up;
  }

  /**
   * The server for a login that failed at the ones tried, and no other where its table names one.
   * @param named the name that the table has; null for the user's own. Null where none is left.
   */
  choose(
    user: string,
    named: string | null,
    tried: readonly ServerMember[],
  ): ServerMember | 'unknown' | null {
    return named === null ? this.#pool.choose(user, tried, this.#clock()) : this.#pool.find(named, tried);
  }

  /**
   * A login begins; false where too many have that are the same. Either way `leave` follows.
   * @param login what would come back of it, if it came back
   */
  enter(login: string): boolean {
    const waiting = (this.#waiting.get(login) ?? 0) + 1;
    this.#waiting.set(login, waiting);
    return waiting <= MOST_WAITING;
  }

  leave(login: string): void {
    const waiting = this.#waiting.get(login)! - 1;
    if (waiting > 0) this.#waiting.set(login, waiting);
    else this.#waiting.delete(login);
  }

  /**
   * Learns from how a login or a check came out.
   * @param anybodys a name was out that anybody may have chosen
   * @returns whether a login may try another server
   */
  ended({ server, health }: ServerMember, trial: Trial, outcome: ServerOutcome, anybodys = false): boolean {
    if (outcome.ok || outcome.loginSent || !isServersFault(outcome.failure)) {
      this.#succeeded(server, health);
      return false;
    }
    // The server has greeted, and may not bear that name: by one like it nobody takes servers away from all others.
    if (anybodys) health.abandoned(trial);
    else if (health.failed(this.#clock(), trial)) this.#wentDown(server, outcome);
    return true;
  }

  #succeeded(server: UpstreamServer, health: ServerMember['health']): void {
    const { since } = health;
    const first = server.weight > 0 && !this.#pool.up;
    const now = this.#clock();
    if (health.succeeded(now)) this.#events.up(server, now - since, first);
  }

  #wentDown(server: UpstreamServer, failure: ServerFailure): void {
    this.#events.down(server, failure, server.weight > 0 && !this.#pool.up);
    this.onDown?.(this.members.find((member) => member.server === server)!);
  }
}
