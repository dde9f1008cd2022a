import type { TableId } from '../teapop/model.ts';

/** What a publication changed, by name, so that a proxy drops no more from memory than that; null for all of it. */
export type Changes = {
  /** Domains that are new, differ or are gone. */
  domains: string[] | null;
  /** Of each changed table the userids that are new, differ or are gone. */
  tables: Map<TableId, string[] | null>;
};

/** Names over domains and tables: some 200 KB in Redis, which every proxy reads. Beyond it all counts as changed. */
export const CHANGES_LISTED = 10_000;

/** Gathers names within the bound. */
export class ChangeList {
  readonly #tables = new Map<TableId, string[] | null>();
  #domains: string[] | null = [];
  #left: number;

  constructor(most = CHANGES_LISTED) {
    this.#left = most;
  }

  /** What was gathered. */
  get changes(): Changes {
    return { domains: this.#domains, tables: this.#tables };
  }

  /** Null for what cannot be listed. */
  addDomains(names: readonly string[] | null): void {
    this.#domains = this.#taken(this.#domains, names);
  }

  /** Of a table that changed; without names it is listed all the same. */
  addUsers(table: TableId, userids: readonly string[]): void {
    const listed = this.#tables.get(table);
    this.#tables.set(table, this.#taken(listed === undefined ? [] : listed, userids));
  }

  /** For what cannot be listed. */
  addAllUsers(table: TableId): void {
    this.#left += this.#tables.get(table)?.length ?? 0;
    this.#tables.set(table, null);
  }

  /** Whether so many names more would find room. */
  hasRoomFor(names: number): boolean {
    return names <= this.#left;
  }

  /** Gives room to names that are listed elsewhere. */
  reserve(names: number): void {
    this.#left -= names;
  }

  #taken(listed: string[] | null, names: readonly string[] | null): string[] | null {
    if (listed === null) return null;
    if (names === null || !this.hasRoomFor(names.length)) {
      // Its names are of no use to anybody any more and leave their room to others.
      this.#left += listed.length;
      return null;
    }
    this.#left -= names.length;
    for (const name of names) listed.push(name);
    return listed;
  }
}
