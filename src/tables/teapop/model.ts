/**
 * The tables' vocabulary. Every name and password is an octet string: a JavaScript string in which each
 * character stands for one octet (latin1), so that any octet survives and equality is octet equality.
 */

/**
 * teapop's authentication types that logins are decided by. A mysql or pgsql line becomes a 'textfile' entry whose
 * table is read from that database.
 */
export type AuthType = 'reject' | 'passwd' | 'textfile' | 'htpasswd';

/** Types that teapop reads from elsewhere and that are not read from here; their lines are reported, not served. */
export const FOREIGN_TYPES = ['oracle', 'ldap', 'java'] as const;

/** teapop's names of the databases that tables can be read from. */
export type SqlDialect = 'mysql' | 'pgsql';

/** A table of a database, as a line of teapop.passwd names it. */
export type SqlSource = {
  dialect: SqlDialect;
  /** Blank for the local server's socket. */
  host: string;
  /** Null for the usual one. */
  port: number | null;
  database: string;
  user: string;
  password: () => string;
  /** As written; see sql/names.ts. */
  table: string;
  userColumn: string;
  passwordColumn: string;
  /** Blank where the userid is the mailbox. */
  mailColumn: string;
};

/** Names one compiled password table, see table-id.ts. Holds no octet that an operator or client chose. */
export type TableId = string;

/** A line of teapop.passwd, compiled. */
export type DomainEntry = {
  /** Place in the file, counted over valid lines from 0: the lower ordinal decides first. */
  ordinal: number;
  /** Line number in teapop.passwd, from 1. */
  line: number;
  /** ASCII letters in lower case; may be empty, 'empty' or 'default'. */
  domain: string;
  /** '*' for any; an IP address; or '' where the name did not resolve, which matches nothing. */
  localAddress: string;
  /** The localip as written where it is a name that needs resolving; absent for an address or any. */
  localName?: string;
  type: AuthType;
  /** For passwd: the spool. */
  maildir: string;
  /** Number of hash folders, 0 for none. */
  hashLevels: number;
  /** As written: a name, a number, '+' or ''. */
  uid: string;
  gid: string;
  /** The password table that decides, for textfile and htpasswd. */
  table: TableId | null;
  /** The generation of the tables in which a store found the entry; see TableStore.userRows. */
  generation?: number;
  /** Why every login through this entry fails, as teapop has it (a blank uid, an unknown account, max of 0 …); null where logins can succeed. */
  lockedOut: string | null;
};

/** A line of a password file, as it is stored. A userid may have several; each is tried in order. */
export type UserRow = {
  /** The stored form of the password, see auth/scheme.ts: '{PLAIN}…', '$argon2id$…', '{SEALED}…' or a crypt(3) string. */
  secret: string;
  /** The part after the second colon of a textfile line; the userid for htpasswd. */
  mailbox: string;
  /** Line number in the password file, from 1; 0 where the row comes from a database, which has no lines. */
  line: number;
  /**
   * For a crypt(3) row: an Argon2id string of the same password, made after it let somebody in; see auth/upgrade.ts.
   */
  better?: string;
};

export type Diagnostic = {
  severity: 'error' | 'warning';
  /** Path of the file. */
  file: string;
  /** From 1; 0 for the whole file. */
  line: number;
  /** Stable, fit for a metric or a filter: 'missing-newline', 'past-max' … */
  code: string;
  /** What is wrong and who is locked out. Never holds a password. */
  reason: string;
  /** What the operator can do. */
  cure: string;
};

/**
 * Accounts of the mailstore's host, for uid and gid. teapop wants a number to belong to an account, too; where
 * `hasUid` or `hasGid` is left out, any number above 0 will do.
 */
export interface Accounts {
  hasUser(name: string): boolean;
  hasGroup(name: string): boolean;
  hasUid?(uid: number): boolean;
  hasGid?(gid: number): boolean;
}

/** A password file, or a database's table, that the domain table names: one compiled table. */
export type PasswordFileRef = {
  id: TableId;
  /** As written in the domain table; of a database's table what sqlPath() calls it. */
  path: string;
  type: 'textfile' | 'htpasswd';
  /** Lines that are read, above 0. */
  max: number;
  /** The first line of the domain table that names it. */
  line: number;
  /** Where the rows are read if not from a file. */
  sql?: SqlSource;
};
