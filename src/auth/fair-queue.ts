/** Who waits for a permit, and whose turn is next. The verifier bounds the number; the queue only orders. */

/**
 * From whom the verifier would rather hear: the user has logged in from here lately; has done so from elsewhere; nothing
 * speaks against the address; there were wrong passwords from it. See standings.ts.
 */
export const RANKS = ['known', 'familiar', 'clean', 'doubtful'] as const;
export type Rank = (typeof RANKS)[number];

/** `net` is the address or network that the waiters' turns are shared out between. */
export type Standing = { rank: Rank; net: string };

export type Waiter = {
  readonly standing: Standing;
  /** Octets that it will take. */
  readonly memory: number;
};

/** One turn in so many is for the last rank that waits, so that nobody waits for ever while better ones keep coming. */
const FOR_THE_LAST = 8;

/**
 * The better rank first; within a rank one turn for each net in rotation, however many of it wait; within a net in the
 * order of arrival. Every step takes the same time whatever the number of waiters.
 */
export class FairQueue<W extends Waiter> {
  readonly #ranks: ReadonlyMap<Rank, NetQueues<W>> = new Map(RANKS.map((rank) => [rank, new NetQueues<W>()]));
  #turns = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  waiting(rank: Rank): number {
    return this.#ranks.get(rank)!.size;
  }

  add(waiter: W): void {
    this.#ranks.get(waiter.standing.rank)!.add(waiter);
    this.#size++;
  }

  /** Whose turn is next; it stays until `take`. @param besides a rank whose waiters have no turn now */
  next(besides?: Rank): W | undefined {
    const ranks = RANKS.filter((rank) => rank !== besides && this.waiting(rank) > 0);
    const rank = this.#turns % FOR_THE_LAST === FOR_THE_LAST - 1 ? ranks.at(-1) : ranks[0];
    return rank && this.#ranks.get(rank)!.first;
  }

  /** Takes out whose turn it was. */
  take(waiter: W): void {
    this.#turns++;
    this.#ranks.get(waiter.standing.rank)!.take(waiter);
    this.#size--;
  }

  /** Takes one out that no longer wants to wait; its net keeps its place. */
  remove(waiter: W): void {
    if (this.#ranks.get(waiter.standing.rank)!.remove(waiter)) this.#size--;
  }

  /**
   * Where there is no room for a newcomer: whoever has to go for it, the last to come of the net with the most
   * waiters in the last rank; null where that is the newcomer itself.
   */
  displaced({ rank, net }: Standing): W | null {
    const last = RANKS.findLast((each) => each === rank || this.waiting(each) > 0)!;
    const queues = this.#ranks.get(last)!;
    if (last === rank && queues.waiting(net) + 1 >= queues.longest) return null;
    return queues.newestOfLongest;
  }
}

/** In a list of its net, both ways, so that one who leaves is taken out without a search. */
type Place<W> = { waiter: W; before: Place<W> | null; behind: Place<W> | null };
type NetQueue<W> = { first: Place<W>; last: Place<W>; length: number };

/** The waiters of one rank. */
class NetQueues<W extends Waiter> {
  /** In the order of their turns. */
  readonly #nets = new Map<string, NetQueue<W>>();
  readonly #places = new Map<W, Place<W>>();
  /** The nets by the number of their waiters. */
  readonly #byLength: Set<string>[] = [];
  #longest = 0;

  get size(): number {
    return this.#places.size;
  }

  get longest(): number {
    return this.#longest;
  }

  get first(): W | undefined {
    return this.#nets.values().next().value?.first.waiter;
  }

  /** There has to be one. */
  get newestOfLongest(): W {
    const net = this.#byLength[this.#longest]!.values().next().value!;
    return this.#nets.get(net)!.last.waiter;
  }

  waiting(net: string): number {
    return this.#nets.get(net)?.length ?? 0;
  }

  add(waiter: W): void {
    const { net } = waiter.standing;
    const queue = this.#nets.get(net);
    const place: Place<W> = { waiter, before: queue?.last ?? null, behind: null };
    this.#places.set(waiter, place);
    if (queue === undefined) this.#nets.set(net, { first: place, last: place, length: 0 });
    else {
      queue.last.behind = place;
      queue.last = place;
    }
    this.#lengthen(net, 1);
  }

  /** Its net goes behind the others. */
  take(waiter: W): void {
    this.remove(waiter);
    const { net } = waiter.standing;
    const queue = this.#nets.get(net);
    if (queue === undefined) return;
    this.#nets.delete(net);
    this.#nets.set(net, queue);
  }

  remove(waiter: W): boolean {
    const place = this.#places.get(waiter);
    if (place === undefined) return false;
    this.#places.delete(waiter);
    const queue = this.#nets.get(waiter.standing.net)!;
    const { before, behind } = place;
    if (before !== null) before.behind = behind;
    else if (behind !== null) queue.first = behind;
    if (behind !== null) behind.before = before;
    else if (before !== null) queue.last = before;
    this.#lengthen(waiter.standing.net, -1);
    return true;
  }

  #lengthen(net: string, by: 1 | -1): void {
    const queue = this.#nets.get(net)!;
    this.#byLength[queue.length]?.delete(net);
    queue.length += by;
    const alike = this.#byLength[queue.length];
    if (queue.length === 0) this.#nets.delete(net);
    else if (alike === undefined) this.#byLength[queue.length] = new Set([net]);
    else alike.add(net);
    this.#longest = Math.max(this.#longest, queue.length);
    while (this.#longest > 0 && !this.#byLength[this.#longest]?.size) this.#longest--;
  }
}
