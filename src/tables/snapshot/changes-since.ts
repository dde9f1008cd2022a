import type { Difference } from '../published/feed.ts';
import type { TableId } from '../teapop/model.ts';

/** Some 10 MB of names at most. */
const MOST_NAMES = 100_000;

/** Names, or null for all that there are. */
type Names = Set<string> | null;

/** What changed since a copy of the tables was taken: those of its rows must not be believed again. */
export class ChangesSince {
  readonly #most: number;
  readonly #tables = new Map<TableId, Names>();
  #domains: Names = new Set();
  #all = false;
  #size = 0;

  constructor(most = MOST_NAMES) {
    this.#most = most;
  }

  add(difference: Difference): void {
    if (difference === 'all') this.#all = true;
    else for (const { domains, tables } of difference) this.#addNamed(domains, tables);
    if (this.#size > this.#most) this.#all = true;
    if (!this.#all) return;
    this.#domains = null;
    this.#tables.clear();
  }

  /** Whether nothing of the copy can be believed. */
  get all(): boolean {
    return this.#all;
  }

  hasDomain(domain: string): boolean {
    return this.#domains === null || this.#domains.has(domain);
  }

  hasUser(table: TableId, userid: string): boolean {
    const names = this.#tables.get(table);
    return this.#all || names === null || names?.has(userid) === true;
  }

  #addNamed(domains: readonly string[] | null, tables: ReadonlyMap<TableId, readonly string[] | null>): void {
    this.#domains = this.#joined(this.#domains, domains);
    for (const [table, userids] of tables) {
      const known = this.#tables.get(table);
      this.#tables.set(table, this.#joined(known === undefined ? new Set() : known, userids));
    }
    this.#size += tables.size;
  }

  #joined(names: Names, more: readonly string[] | null): Names {
    if (names === null || more === null) return null;
    for (const name of more) names.add(name);
    this.#size += more.length;
    return names;
  }
}
