import type { Changes } from '../published/changes.ts';
import type { Fingerprints } from '../published/fingerprint.ts';
import type { Published } from '../published/published.ts';
import type { RedisKeys } from '../published/redis-keys.ts';
import type { RedisLink } from '../redis/link.ts';
import type { CompiledDomains } from '../sources/compile.ts';
import type { Diagnostic, TableId } from '../teapop/model.ts';
import type { Keeping, PasswordTools } from '../teapop/password-tools.ts';
import type { Claim } from './claim.ts';
import type { PublishProgress } from './progress.ts';
import type { TableCounts } from './table.ts';

export type PublishOptions = {
  link: RedisLink;
  prefix: string;
  /** Path of teapop.passwd, for reports. */
  domainTable: string;
  compiled: CompiledDomains;
  fingerprints: Fingerprints;
  passwords: PasswordTools;
  /** As what the passwords of a domain's table (lower case) are kept. */
  keeping: (domain: string) => Keeping;
  /** Passwords hashed at the same time. */
  concurrency: number;
  /** The share of the published users, and of the domains, that may be lost, from 0 to 1; left out, all of them. */
  maxLoss?: number | undefined;
  /** Publishes whatever is lost by it, even where a file is gone that has published users. */
  force?: boolean | undefined;
  /** Does all but hash and switch, and leaves nothing behind. */
  dryRun?: boolean | undefined;
  progress?: ((progress: PublishProgress) => void) | undefined;
  /** Called with all that is known before the one step that changes what logins see; a throw prevents it. */
  beforeSwitch?: ((report: PublishReport) => void | Promise<void>) | undefined;
  /** Ends the sync early and cleanly; publish rejects with its reason. */
  signal?: AbortSignal | undefined;
};

export type TableChange = TableCounts & {
  id: TableId;
  path: string;
  /** Path of the table whose users it took over; null where it took over none. */
  movedFrom: string | null;
  /** Userids; null where they are too many to be listed. */
  names: { added: string[]; changed: string[]; removed: string[] } | null;
};

/** What a publication does to the logins of one domain. */
export type DomainChange = {
  domain: string;
  /** What becomes of its entries. */
  entry: 'added' | 'changed' | 'removed' | 'same';
  /** Users that it has now, and what became of those it had. */
  users: number;
  added: number;
  changed: number;
  removed: number;
};

export type PublishReport = {
  /** False where everything is as published. */
  published: boolean;
  /** True where that is only what would be done. */
  dryRun: boolean;
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
  /** Every domain that differs or some user of which does, those with most such users first. */
  domainChanges: DomainChange[];
  /** Domains with other entries. */
  domainCounts: { added: number; changed: number; removed: number };
  /** Names for the change log. */
  changes: Changes;
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
