import type { Claim } from './claim.ts';
import type { CompiledDomains } from './compile.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { Diagnostic, TableId } from './model.ts';
import type { PasswordTools } from './password-tools.ts';
import type { TableCounts } from './publish-table.ts';
import type { Published } from './published.ts';
import type { RedisLink } from './redis-client.ts';
import type { RedisKeys } from './redis-keys.ts';

export type PublishOptions = {
  link: RedisLink;
  prefix: string;
  /** Path of teapop.passwd, for reports. */
  domainTable: string;
  compiled: CompiledDomains;
  fingerprints: Fingerprints;
  passwords: PasswordTools;
  /** Whether a domain (lower case) was told to offer APOP: the passwords of its table are sealed, not hashed. */
  offersApop: (domain: string) => boolean;
  /** Files read, and passwords hashed, at the same time. */
  concurrency: number;
  /** Publishes even where a file is gone that has published users. */
  force?: boolean | undefined;
  progress?: ((progress: PublishProgress) => void) | undefined;
  /** Called with all that is known before the one step that changes what logins see; a throw prevents it. */
  beforeSwitch?: ((report: PublishReport) => void | Promise<void>) | undefined;
  /** Ends the sync early and cleanly; publish rejects with its reason. */
  signal?: AbortSignal | undefined;
};

/** So many rows of a file have been written. */
export type PublishProgress = { path: string; rows: number };

export type TableChange = TableCounts & { id: TableId; path: string };

export type PublishReport = {
  /** False where everything was as published: no table was written. */
  published: boolean;
  generation: number;
  domains: number;
  entries: number;
  domainsChanged: boolean;
  users: number;
  rows: number;
  tables: number;
  unchangedTables: number;
  changedTables: TableChange[];
  /** Tables that the domain table names no more, with the users they had. */
  removedTables: { id: TableId; path: string; users: number }[];
  /** Userids over all tables. */
  added: number;
  changed: number;
  removed: number;
  /** Passwords hashed or sealed, and rows of changed tables whose stored form stayed. */
  hashed: number;
  reused: number;
  /** Milliseconds. */
  duration: number;
};

export type PublishResult = { report: PublishReport; diagnostics: Diagnostic[] };

/** What a publication under way knows. */
export type Publishing = PublishOptions & {
  keys: RedisKeys;
  claim: Claim;
  found: Published;
  generation: number;
};

/** Thrown where publishing would lock out users whose file is merely gone or out of reach. */
export class SyncRefused extends Error {
  override name = 'SyncRefused';
}

/** @throws SyncRefused where a file that is away has published users and nobody insists */
export function refuseLoss(path: string, users: number, force: boolean | undefined): void {
  if (users === 0 || force) return;
  throw new SyncRefused(`${path} is gone or cannot be read, and ${users} published users would be with it`);
}
