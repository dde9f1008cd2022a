import { TablesUnavailable } from '../teapop/store.ts';
import { type Address, connected, type RedisPeer, Refusal, type Reply, retryDelay, shown } from './link.ts';
import { Lookout } from './lookout.ts';
import { Readiness } from './readiness.ts';

export type SentinelsOptions = {
  sentinels: readonly Address[];
  /** The name under which they watch the server. */
  master: string;
  openSentinel: (address: Address) => RedisPeer;
  openServer: (address: Address) => RedisPeer;
  /** Milliseconds from any start, never set back. */
  now?: () => number;
};

/** A master that hangs, or is cut off with us, says nothing of its successor: the Sentinels are asked that often, in ms. */
const ASK_EVERY = 1_000;
/** A new master that takes longer to connect to is asked for once more: it may have been replaced by then, in ms. */
const CONNECTED_WITHIN = 1_000;
/** Once one Sentinel has answered, so long is waited for one that knows of a later failover, in ms. */
const OTHERS_WITHIN = 100;
/** A Sentinel that missed a failover hears of it from the others every two seconds, in ms. */
const BEHIND_FOR = 10_000;

/** Failovers are counted: of two answers that differ the later one holds. */
export type Told = {
  address: Address;
  epoch: number;
  /** Sentinels that watch the server: this one, and the others that it knows of. */
  watching: number;
};
/** Of several Sentinels the one that knows most, and how many spoke. */
type Latest = Told & { answers: number };
type Master = { address: Address; peer: RedisPeer };
type Answer = Reply | TablesUnavailable;

/**
 * The server that the Sentinels name, as one peer. A connection to it is used as long as it lasts and the Sentinels
 * name no other; whoever is asked next has to say that it is a master, for a replica would serve old rows.
 */
export class RedisSentinels implements RedisPeer {
  readonly #options: SentinelsOptions;
  readonly #now: () => number;
  readonly #name: string;
  readonly #sentinels: RedisPeer[];
  readonly #readiness = new Readiness();
  readonly #lookout = new Lookout(() => this.#look());
  #master: Master | null = null;
  #epoch = -1;
  /** Since when most Sentinels know of fewer failovers than were known. */
  #behindSince: number | null = null;
  #failure = 'not connected yet';
  #attempt = 0;

  constructor(options: SentinelsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#name = `Redis ${options.master} of the Sentinels at ${options.sentinels.map(shown).join(', ')}`;
    this.#sentinels = options.sentinels.map((address) => options.openSentinel(address));
    for (const sentinel of this.#sentinels) sentinel.onChange(() => this.#heardOf(sentinel));
    this.#lookout.lookIn(0);
  }

  async ask(...[commands]: Parameters<RedisPeer['ask']>): Promise<Answer[]> {
    const master = this.#master;
    if (master === null) {
      const gone = new TablesUnavailable(this.problem() ?? this.#name);
      return commands.map(() => gone);
    }
    const answers = await master.peer.ask(commands);
    // It has become a replica.
    if (answers.some((answer) => answer instanceof Refusal && answer.said.startsWith('READONLY')))
      this.#leave(master, 'is no master any more');
    return answers;
  }

  problem(): string | null {
    if (this.#lookout.closed) return `${this.#name}: connection closed`;
    return this.#master === null ? `${this.#name}: ${this.#failure}` : this.#master.peer.problem();
  }

  whenReady(within: number): Promise<void> {
    return this.#readiness.when(() => this.problem(), within, this.#name);
  }

  onChange(listener: () => void): void {
    this.#readiness.add(listener);
  }

  close(): void {
    this.#lookout.close();
    this.#master?.peer.close();
    for (const sentinel of this.#sentinels) sentinel.close();
  }

  /** The first one that comes says where to begin. */
  #heardOf(sentinel: RedisPeer): void {
    if (this.#master === null && sentinel.problem() === null) this.#lookout.lookIn(0);
  }

  #tell(): void {
    if (!this.#lookout.closed) this.#readiness.changed();
  }

  async #look(): Promise<number> {
    const told = await this.#told();
    if (told !== null && !this.#lookout.closed) await this.#follow(told);
    this.#attempt = this.#master === null ? this.#attempt + 1 : 0;
    return this.#master === null ? retryDelay(this.#attempt) : ASK_EVERY * (0.5 + Math.random() / 2);
  }

  async #told(): Promise<Told | null> {
    const ready = this.#sentinels.filter((sentinel) => sentinel.problem() === null);
    try {
      const told = await latestOf(ready, this.#options.master);
      return this.#believes(told) ? told : null;
    } catch (error) {
      this.#behindSince = null;
      const silent = this.#sentinels.map((sentinel) => sentinel.problem()).find((why) => why !== null);
      this.#failure = ready.length > 0 ? (error as Error).message : (silent ?? this.#failure);
      return null;
    }
  }

  /** Sentinels that were set up anew count from the start: else nobody would be followed until they caught up. */
  #believes({ epoch, watching, answers }: Latest): boolean {
    if (epoch >= this.#epoch) {
      this.#behindSince = null;
      return true;
    }
    this.#failure = 'the Sentinels know of fewer failovers than before';
    // Not all may be in the config: what looks like most of them may be a few that are cut off, with an old master.
    if (answers <= Math.max(watching, this.#sentinels.length) / 2) {
      this.#behindSince = null;
      return false;
    }
    const now = this.#now();
    this.#behindSince ??= now;
    return now - this.#behindSince > BEHIND_FOR;
  }

  async #follow({ address, epoch }: Told): Promise<void> {
    if (this.#master !== null) {
      if (shown(this.#master.address) === shown(address)) {
        this.#epoch = epoch;
        return;
      }
      this.#leave(this.#master, 'another server is the master now');
    }
    const peer = this.#options.openServer(address);
    try {
      await connected(peer, CONNECTED_WITHIN);
      await mustBeMaster(peer, address);
    } catch (error) {
      peer.close();
      this.#failure = (error as Error).message;
      return;
    }
    if (this.#lookout.closed) return peer.close();
    const master = { address, peer };
    this.#master = master;
    this.#epoch = epoch;
    peer.onChange(() => {
      const problem = peer.problem();
      if (problem !== null) this.#leave(master, problem);
    });
    this.#tell();
  }

  /** What was the master may be a replica when it comes again. */
  #leave(master: Master, why: string): void {
    if (this.#master !== master) return;
    this.#master = null;
    this.#failure = why;
    master.peer.close();
    this.#tell();
    this.#lookout.lookIn(retryDelay(this.#attempt));
  }
}

/** What the Sentinel says that knows of the last failover. Rejects where none says anything. */
export async function latestOf(sentinels: readonly RedisPeer[], master: string): Promise<Latest> {
  const told: Told[] = [];
  let failure = new TablesUnavailable('no Sentinel answers');
  const asked = sentinels.map(async (sentinel) => {
    const [reply = null] = await sentinel.ask([['SENTINEL', 'MASTER', master]]);
    if (reply instanceof TablesUnavailable) failure = reply;
    else told.push(toldBy(reply));
    return reply instanceof TablesUnavailable ? Promise.reject(reply) : null;
  });
  const first = Promise.any(asked).catch(() => {});
  await Promise.race([Promise.allSettled(asked), first.then(() => pause(OTHERS_WITHIN))]);
  if (told.length === 0) throw failure;
  const latest = told.reduce((one, other) => (other.epoch > one.epoch ? other : one));
  const watching = Math.max(...told.map((each) => each.watching));
  return { ...latest, watching, answers: told.length };
}

/** A reply of pairs: the name of a field, its value. */
function toldBy(reply: Reply): Told {
  const texts = (reply as Buffer[]).map((text) => text.toString('latin1'));
  const field = (name: string) => texts[texts.indexOf(name) + 1] ?? '';
  return {
    address: { host: field('ip'), port: Number(field('port')) },
    epoch: Number(field('config-epoch')),
    watching: 1 + Number(field('num-other-sentinels')),
  };
}

/** Rejects otherwise. INFO is asked for in any case, when a connection is made; no other right is needed. */
async function mustBeMaster(peer: RedisPeer, address: Address): Promise<void> {
  const [info = null] = await peer.ask([['INFO', 'replication']]);
  if (info instanceof TablesUnavailable) throw info;
  if (!/^role:master\r?$/m.test(String(info)))
    throw new TablesUnavailable(`Redis at ${shown(address)} is not the master yet`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
