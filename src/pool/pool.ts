import { hashOf, scoreOf } from './hash.ts';
import { type HealthSettings, ServerHealth } from './health.ts';

/** What the choice goes by. The name is what users are bound to: address and port may change under it. */
export type PoolServer = { name: string; weight: number };

export type Member<Server extends PoolServer> = {
  readonly server: Server;
  readonly health: ServerHealth;
  /** Of the name. */
  readonly hash: number;
};

export type PoolSettings = HealthSettings & {
  /** Nobody but logins would notice that a server is back: then one of them tries it when it is time. */
  loginsTry: boolean;
};

/** The servers of an upstream, and which of them a login goes to. */
export class Pool<Server extends PoolServer> {
  readonly members: readonly Member<Server>[];
  readonly #loginsTry: boolean;

  /** @param now milliseconds of a monotonic clock */
  constructor(servers: readonly Server[], settings: PoolSettings, now: number) {
    this.#loginsTry = settings.loginsTry;
    this.members = servers.map((server) => ({
      server,
      health: new ServerHealth(settings, now),
      hash: hashOf(server.name),
    }));
  }

  /**
   * The server that a user's login goes to: the user's own where it is up, else the one that would be it without
   * those that are down. Where none is up, the user's own all the same, but for one login at a time: the others are
   * better off with an answer at once. Null where no server is left to try.
   * @param tried servers that failed this login
   */
  choose(user: string, tried: readonly Member<Server>[], now: number): Member<Server> | null {
    const hash = hashOf(user);
    const usable = this.#best(
      hash,
      tried,
      ({ health }) => health.up || (this.#loginsTry && health.isDue(now)),
    );
    return usable ?? this.#best(hash, tried, ({ health }) => !health.tried);
  }

  /**
   * The server of that name, for a user whose maildrop is there and nowhere else; one of weight 0, too.
   * 'unknown': there is none. Null while it is down and another login tries it, or when it was tried before.
   */
  find(name: string, tried: readonly Member<Server>[]): Member<Server> | 'unknown' | null {
    const member = this.members.find(({ server }) => server.name === name);
    if (member === undefined) return 'unknown';
    return tried.includes(member) || (!member.health.up && member.health.tried) ? null : member;
  }

  /** Whether any server is up that the choice can fall on: one of weight 0 takes nobody whom no row sends there. */
  get up(): boolean {
    return this.members.some(({ server, health }) => server.weight > 0 && health.up);
  }

  #best(
    user: number,
    tried: readonly Member<Server>[],
    fits: (member: Member<Server>) => boolean,
  ): Member<Server> | null {
    let best: Member<Server> | null = null;
    let bestScore = -1;
    for (const member of this.members) {
      const { weight } = member.server;
      if (weight === 0 || tried.includes(member) || !fits(member)) continue;
      const score = scoreOf(user, member.hash, weight);
      if (score > bestScore) {
        best = member;
        bestScore = score;
      }
    }
    return best;
  }
}
