import { TablesUnavailable } from '../teapop/store.ts';
import {
  type Address,
  type Command,
  connected,
  type RedisPeer,
  Refusal,
  type Reply,
  retryDelay,
  shown,
} from './link.ts';
import { Lookout } from './lookout.ts';
import { Readiness } from './readiness.ts';
import { redirection, SLOTS, type SlotRange, slotOfCommand, slotRanges } from './slots.ts';

export type ClusterOptions = {
  seeds: readonly Address[];
  /** Starts connecting to one node. */
  open: (address: Address) => RedisPeer;
  /** How long a connection that a node sends us to may take, in ms. */
  timeout: number;
};

/** A command redirected more often than a reshard in full swing does it goes in a circle. */
const MOST_HOPS = 5;
/** A slot on its way to another node holds a script up until all its keys are there; in ms. */
const TRY_AGAIN_AFTER = 50;
/** How often it is asked who serves what though nothing hints at a change: nodes that joined may outlive the known. */
const LOOK_EVERY = 60_000;
/** A reshard moves many slots, and each says by itself where it went. */
const LOOK_AFTER_MOVE = 1_000;

/** `opening` is over when it can be asked for the first time, or cannot. */
type Node = { address: Address; peer: RedisPeer; opening: Promise<void> };
/** A command on its way, the place of its reply, whom to ask, how often it was sent on, and until when it may wait. */
type Errand = { command: Command; place: number; node: Node; asking: boolean; hops: number; until: number };
type Answer = Reply | TablesUnavailable;

/**
 * A Redis Cluster as one peer: each command goes to the master of its key's slot, for a replica would serve old rows.
 * A node that sends us on is followed; one that cannot be asked fails its commands at once, while we look for whoever
 * takes over.
 */
export class RedisCluster implements RedisPeer {
  readonly #options: ClusterOptions;
  readonly #name: string;
  /** Masters, and nodes that we were sent to. */
  readonly #nodes = new Map<string, Node>();
  readonly #owners: (Node | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #readiness = new Readiness();
  readonly #lookout = new Lookout(() => this.#look());
  readonly #leaving = new Set<RedisPeer>();
  /** All that were told of, masters and replicas; null while nobody has told. */
  #told: readonly Address[] | null = null;
  #failure = 'not connected yet';
  #looks = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#name = `Redis Cluster of ${options.seeds.map(shown).join(', ')}`;
    void this.#lookout.lookNow();
  }

  async ask(commands: readonly Command[]): Promise<Answer[]> {
    const answers: Answer[] = new Array(commands.length).fill(null);
    const until = performance.now() + this.#options.timeout;
    let errands: Errand[] = [];
    for (const [place, command] of commands.entries()) {
      const node = this.#nodeFor(command);
      if (node instanceof TablesUnavailable) answers[place] = node;
      else errands.push({ command, place, node, asking: false, hops: 0, until });
    }
    while (errands.length > 0) {
      const again: Errand[] = [];
      const settle = async (errand: Errand, answer: Answer) => {
        const next = await this.#sentOn(errand, answer);
        if (next === null) answers[errand.place] = answer;
        else again.push(next);
      };
      const rounds = Array.from(Map.groupBy(errands, ({ node }) => node).values(), async (some) => {
        const round = await this.#send(some);
        await Promise.all(round.map((answer, i) => settle(some[i]!, answer)));
      });
      await Promise.all(rounds);
      // A pipeline is answered in order, several are not.
      errands = again.sort((one, other) => one.place - other.place);
    }
    return answers;
  }

  problem(): string | null {
    if (this.#lookout.closed) return `${this.#name}: connection closed`;
    const usable = this.#owners.some((node) => node !== undefined && node.peer.problem() === null);
    return usable ? null : this.#hindrance();
  }

  whenReady(within: number): Promise<void> {
    return this.#readiness.when(() => this.#hindrance(), within, this.#name);
  }

  onChange(listener: () => void): void {
    this.#readiness.add(listener);
  }

  close(): void {
    this.#lookout.close();
    for (const { peer } of this.#nodes.values()) peer.close();
    for (const peer of this.#leaving) peer.close();
  }

  /** What keeps some command from being answered; null where every slot has its master. */
  #hindrance(): string | null {
    if (this.#told === null) return `${this.#name}: ${this.#failure}`;
    const unserved = this.#owners.indexOf(undefined);
    if (unserved >= 0) return `${this.#name}: no node serves slot ${unserved}`;
    for (const node of new Set(this.#owners)) {
      const problem = node!.peer.problem();
      if (problem !== null) return problem;
    }
    return null;
  }

  #nodeFor(command: Command): Node | TablesUnavailable {
    const slot = slotOfCommand(command);
    const node =
      slot === null
        ? this.#owners.find((one) => one !== undefined && one.peer.problem() === null)
        : this.#owners[slot];
    if (node !== undefined) return node;
    this.#lookSoon();
    return new TablesUnavailable(this.#hindrance() ?? this.#name);
  }

  async #send(errands: readonly Errand[]): Promise<Answer[]> {
    const { peer } = errands[0]!.node;
    const commands = errands.flatMap(({ command, asking }): Command[] =>
      asking ? [['ASKING'], command] : [command],
    );
    const answers = await peer.ask(commands);
    const isOwn = errands.flatMap(({ asking }) => (asking ? [false, true] : [true]));
    return answers.filter((_, i) => isOwn[i]);
  }

  /** Where a command goes on to after such an answer; null where the answer stands. */
  async #sentOn(errand: Errand, answer: Answer): Promise<Errand | null> {
    if (!(answer instanceof TablesUnavailable)) return null;
    if (!(answer instanceof Refusal)) {
      this.#lookSoon();
      return null;
    }
    if (answer.said.startsWith('TRYAGAIN')) {
      if (performance.now() >= errand.until) return null;
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_AFTER));
      return errand;
    }
    const redirected = errand.hops < MOST_HOPS ? redirection(answer.said, errand.node.address) : null;
    if (redirected === null) {
      if (/^(?:CLUSTERDOWN|LOADING|MASTERDOWN|READONLY)/.test(answer.said)) this.#lookSoon();
      return null;
    }
    const node = this.#node(redirected.to);
    if (redirected.kind === 'MOVED') this.#moved(errand.command, node);
    // Where it stays away, asking it says why.
    await node.opening;
    return { ...errand, node, asking: redirected.kind === 'ASK', hops: errand.hops + 1 };
  }

  #moved(command: Command, node: Node): void {
    const slot = slotOfCommand(command);
    if (slot !== null) this.#owners[slot] = node;
    this.#lookout.lookIn(LOOK_AFTER_MOVE);
  }

  #node(address: Address): Node {
    const name = shown(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const peer = this.#options.open(address);
    const node = { address, peer, opening: connected(peer, this.#options.timeout).catch(() => {}) };
    node.peer.onChange(() => {
      if (node.peer.problem() !== null) this.#lookSoon();
      this.#tell();
    });
    this.#nodes.set(name, node);
    return node;
  }

  #tell(): void {
    if (!this.#lookout.closed) this.#readiness.changed();
  }

  /** Something hints that the slots have moved. While that goes on it is looked for less and less often. */
  #lookSoon(): void {
    this.#lookout.lookIn(retryDelay(this.#looks));
  }

  /** Asks who serves what, until every slot has a master that answers, and now and then. */
  async #look(): Promise<number> {
    const ranges = await this.#ranges();
    if (ranges !== null && !this.#lookout.closed) this.#adopt(ranges);
    this.#looks = this.#hindrance() === null ? 0 : this.#looks + 1;
    return this.#looks === 0 ? LOOK_EVERY * (0.5 + Math.random() / 2) : retryDelay(this.#looks);
  }

  /** From a node that answers, each time another; where none does, from any that was ever known. */
  async #ranges(): Promise<SlotRange[] | null> {
    const ready = [...this.#nodes.values()].filter(({ peer }) => peer.problem() === null);
    for (const node of shuffled(ready)) {
      const ranges = await this.#rangesOf(node);
      if (ranges !== null) return ranges;
    }
    const known = new Map([...this.#options.seeds, ...(this.#told ?? [])].map((one) => [shown(one), one]));
    const asked = Array.from(known.values(), (address) => this.#rangesFrom(address));
    return Promise.any(asked).catch(() => null);
  }

  async #rangesOf({ address, peer }: Omit<Node, 'opening'>): Promise<SlotRange[] | null> {
    const [reply = null] = await peer.ask([['CLUSTER', 'SLOTS']]);
    if (reply instanceof TablesUnavailable) this.#failure = reply.message;
    // A node that belongs to no Cluster yet.
    else if (reply === null || (reply as Reply[]).length === 0) this.#failure = 'no slots are assigned';
    else return slotRanges(reply, address);
    return null;
  }

  /** Over a connection for this question alone. Rejects where there is no answer. */
  async #rangesFrom(address: Address): Promise<SlotRange[]> {
    const peer = this.#options.open(address);
    try {
      await connected(peer, this.#options.timeout).catch((error: Error) => {
        this.#failure = error.message;
        throw error;
      });
      const ranges = await this.#rangesOf({ address, peer });
      if (ranges === null) throw new TablesUnavailable(this.#failure);
      return ranges;
    } finally {
      peer.close();
    }
  }

  #adopt(ranges: readonly SlotRange[]): void {
    this.#owners.fill(undefined);
    for (const { from, to, master } of ranges) this.#owners.fill(this.#node(master), from, to + 1);
    this.#told = ranges.flatMap(({ master, replicas }) => [master, ...replicas]);
    const serving = new Set(this.#owners);
    for (const [name, node] of this.#nodes) if (!serving.has(node)) this.#retire(name, node);
    this.#tell();
  }

  /** Takes its leave once what is under way must have been answered. */
  #retire(name: string, { peer }: Node): void {
    this.#nodes.delete(name);
    this.#leaving.add(peer);
    const leave = () => {
      peer.close();
      this.#leaving.delete(peer);
    };
    setTimeout(leave, this.#options.timeout).unref();
  }
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
