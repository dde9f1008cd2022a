import type { DomainEntry, TableId, UserRow } from './model.ts';
import type { Soon } from './soon.ts';

/** Thrown (or rejected with) when the tables cannot be asked; the login answers [SYS/TEMP]. */
export class TablesUnavailable extends Error {
  override name = 'TablesUnavailable';
}

/**
 * The tables that a lookup began in are no longer kept: it met two publications, or a proxy that was told of them
 * late, or Redis at the moment that it came back. Begun anew it finds those of now.
 */
export class TablesMoved extends TablesUnavailable {
  override name = 'TablesMoved';
}

/** Where the compiled tables are looked up: in memory from files, or in Redis. */
export interface TableStore {
  /**
   * The entries of each domain asked for, in file order, in the order of `domains`; an unknown domain has none.
   * Throws, or rejects with, TablesUnavailable, or TablesMoved where the lookup is to be begun anew.
   */
  domainEntries(domains: readonly string[]): Soon<DomainEntry[][]>;
  /**
   * The rows of a userid in one password table, in file order. Given the `generation` of the entry that named
   * the table, both come from the same tables, whatever was published in between. Throws, or rejects with,
   * TablesUnavailable, or TablesMoved where the lookup is to be begun anew.
   */
  userRows(table: TableId, userid: string, generation?: number): Soon<UserRow[]>;
  /**
   * Keeps an Argon2id string beside a crypt(3) row that userRows() gave, for it alone: once the source row changes
   * it counts no more. False where it has changed already. Rejects with TablesUnavailable. Stores that are read
   * from files have none.
   */
  keepBetter?(table: TableId, userid: string, row: UserRow, better: string): Promise<boolean>;
  /** What health and metrics tell of the tables. */
  status(): TableStatus;
  close(): Promise<void>;
}

export type TableStatus = {
  /** False while no login could be decided. */
  usable: boolean;
  /** One line for the operator: where the tables come from and, if not usable, why. */
  detail: string;
  /** When the tables served were published, in ms since 1970; null where unknown. */
  publishedAt: number | null;
  domains: number | null;
  users: number | null;
};
