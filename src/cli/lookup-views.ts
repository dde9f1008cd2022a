import { readFile } from 'node:fs/promises';
import {
  type ExplainOptions,
  type Explanation,
  explain,
  type Question,
  type Verdict,
} from '../auth/explain.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { decisionRules } from '../server/authenticator.ts';
import { redisSettings } from '../server/redis-settings.ts';
import { tableFiles } from '../server/table-files.ts';
import { type Agreement, compare, type Side } from '../tables/inspect/agreement.ts';
import { DirectStore } from '../tables/inspect/direct-store.ts';
import { createFingerprints, type Fingerprints } from '../tables/published/fingerprint.ts';
import { readDiagnostics } from '../tables/published/kept-diagnostics.ts';
import { readSite, readTable } from '../tables/published/published.ts';
import { redisKeys } from '../tables/published/redis-keys.ts';
import type { StoredRow } from '../tables/published/redis-row.ts';
import { RedisStore } from '../tables/published/redis-store.ts';
import { connectRedis } from '../tables/redis/client.ts';
import type { RedisLink } from '../tables/redis/link.ts';
import { diagnosticsOf } from '../tables/teapop/login-diagnostics.ts';
import type { Diagnostic } from '../tables/teapop/model.ts';
import type { PasswordRow } from '../tables/teapop/password-file.ts';

/** One login as the files have it and as Redis has it. */

export type SourceName = 'redis' | 'files';

/** What one of the two says. */
export type View = {
  source: SourceName;
  explanation: Explanation;
  /** Paths, for places of entries and rows; octet strings. */
  domainTable: string;
  passwordFile: string | null;
  /** Null for the files. */
  published: Publication | null;
  diagnostics: Diagnostic[];
};

export type Publication = {
  generation: number;
  /** In ms since 1970; null where unknown. */
  at: number | null;
  /** In which the password table was switched in; null where none was asked. */
  tableGeneration: number | null;
};

export type Absent = { source: SourceName; unavailable: string };

export type Views = {
  /** The one that decides first. */
  views: (View | Absent)[];
  /** Null where there are not two. */
  agreement: Agreement | null;
};

type Seen<Row> = View & { side: Side<Row> };

/** Rejects with an Error that names the file where the config's own files cannot be read. */
export async function lookAt(
  { config, secrets }: LoadedConfig,
  question: Question,
  sources: readonly SourceName[],
): Promise<Views> {
  // The seal key is another user's business where no password is to be checked.
  const sealKeyFile = question.password === null ? null : config.passwords.sealKeyFile;
  const rules = await decisionRules({ ...config, passwords: { ...config.passwords, sealKeyFile } });
  let files: Seen<PasswordRow> | Absent | null = null;
  let redis: Seen<StoredRow> | Absent | null = null;
  for (const source of sources) {
    if (source === 'files') files = await orAbsent(source, () => fromFiles(config, rules, question));
    else {
      const settings = await redisSettings(config, secrets);
      redis = await orAbsent(source, () => fromRedis(connectRedis(settings), config, rules, question));
    }
  }
  const found = { files, redis };
  const views = sources.map((source) => found[source]!);
  if (files === null || redis === null || 'unavailable' in files || 'unavailable' in redis) {
    return { views, agreement: null };
  }
  const key = await fingerprintKey(config.passwords.fingerprintKeyFile);
  const agreement = compare({ files: files.side, redis: redis.side }, key);
  return { views, agreement: byVerdicts(agreement, files.explanation.verdict, redis.explanation.verdict) };
}

/** What could not be compared is told apart by the password that was given, where one was. */
function byVerdicts(agreement: Agreement, files: Verdict, redis: Verdict): Agreement {
  if (agreement.complete || files.result === redis.result) return agreement;
  const difference = { what: 'password', files: files.result, redis: redis.result };
  return { ...agreement, differences: [...agreement.differences, difference] };
}

async function orAbsent<Row>(
  source: SourceName,
  look: () => Promise<Seen<Row>>,
): Promise<Seen<Row> | Absent> {
  try {
    return await look();
  } catch (error) {
    return { source, unavailable: (error as Error).message };
  }
}

type Rules = Omit<ExplainOptions, 'store'>;

async function fromFiles(config: Config, rules: Rules, question: Question): Promise<Seen<PasswordRow>> {
  const { source, domainTable } = config.tables;
  const store = await DirectStore.open(tableFiles(config));
  // With its own files a proxy serves teapop's default in their place; one that asks Redis has none.
  if (source === 'redis' && !store.compiled.fileFound) throw new Error(`${domainTable} is not on this host`);
  const explanation = await explain({ ...rules, store }, question);
  const { entry, asking } = explanation;
  const ref = entry?.table ? store.fileOf(entry.table) : null;
  const passwordFile = ref?.path ?? null;
  const rows = asking === null ? [] : await store.passwordRows(asking.table, asking.userid);
  return {
    ...{ source: 'files', explanation, domainTable, passwordFile, published: null },
    diagnostics: relevant(store.diagnostics, explanation, domainTable, passwordFile),
    side: { entry, source: ref && sourceOf(ref), rows },
  };
}

async function fromRedis(
  link: RedisLink,
  config: Config,
  rules: Rules,
  question: Question,
): Promise<Seen<StoredRow>> {
  const store = new RedisStore({ link, prefix: config.redis.prefix });
  try {
    await link.whenReady(config.redis.timeout);
    const keys = redisKeys(config.redis.prefix);
    const explanation = await explain({ ...rules, store }, question);
    const { entry, asking } = explanation;
    const site = await readSite(link, keys);
    const table = entry?.table ? await readTable(link, keys, entry.table) : null;
    const { domainTable } = config.tables;
    const passwordFile = table?.meta?.path ?? null;
    const rows =
      asking === null ? [] : await store.storedRows(asking.table, asking.userid, entry?.generation);
    const kept = await readDiagnostics(link, keys);
    return {
      ...{ source: 'redis', explanation, domainTable, passwordFile },
      published: site && {
        generation: site.generation,
        at: site.meta?.publishedAt ?? null,
        tableGeneration: table?.generation ?? null,
      },
      diagnostics: relevant(kept?.kept ?? [], explanation, domainTable, passwordFile),
      side: { entry, source: table?.meta ? sourceOf(table.meta) : null, rows },
    };
  } finally {
    await store.close();
  }
}

function relevant(
  diagnostics: readonly Diagnostic[],
  { entry, login, asked, considered }: Explanation,
  domainTable: string,
  passwordFile: string | null,
): Diagnostic[] {
  // What is wrong with the default is no matter where an entry of the login's own decides.
  const own = considered.some(({ as, matches }) => as === 'domain' && matches);
  const domains = own ? asked.filter((name) => name !== 'default' || name === entry?.domain) : asked;
  const names = { domainTable, passwordFile, domains, userid: login.userid };
  return diagnosticsOf({ ...names, line: entry?.line ?? null }, diagnostics);
}

function sourceOf({ path, max }: { path: string; max: number }): string {
  return `${path}, up to ${max} lines`;
}

/** Null where it is not there or not ours to read. */
async function fingerprintKey(path: string): Promise<Fingerprints | null> {
  try {
    return createFingerprints(await readFile(path));
  } catch {
    return null;
  }
}
