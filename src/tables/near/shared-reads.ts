import { TablesUnavailable } from '../teapop/store.ts';

/** Redis answers so many in a tenth of a second: where more are under way it does not answer. */
export const MOST_READS = 10_000;
/** Who joins a read begun this long ago, in ms, learns at worst what was true then: a part of the second promised. */
const JOIN_WITHIN = 250;

type Read = { begun: number; answer: Promise<unknown> };

/** Reads under way: what many ask for at once is read once, and no more are begun than Redis can work off. */
export class SharedReads {
  readonly #now: () => number;
  readonly #most: number;
  readonly #latest = new Map<string, Read>();
  #underWay = 0;

  constructor(now: () => number, most = MOST_READS) {
    this.#now = now;
    this.#most = most;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** @param key tells reads apart. Rejects as the read does, or with TablesUnavailable where too many are under way. */
  run<Answer>(key: string, begin: () => Promise<Answer>): Promise<Answer> {
    const latest = this.#latest.get(key);
    if (latest !== undefined && this.#now() - latest.begun <= JOIN_WITHIN)
      return latest.answer as Promise<Answer>;
    if (this.#underWay >= this.#most)
      return Promise.reject(new TablesUnavailable(`${this.#most} lookups wait for Redis already`));
    return this.#begin(key, begin);
  }

  async #begin<Answer>(key: string, begin: () => Promise<Answer>): Promise<Answer> {
    this.#underWay++;
    const answer = begin();
    const read = { begun: this.#now(), answer };
    this.#latest.set(key, read);
    try {
      return await answer;
    } finally {
      this.#underWay--;
      if (this.#latest.get(key) === read) this.#latest.delete(key);
    }
  }
}
