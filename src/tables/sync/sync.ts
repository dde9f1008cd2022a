import type { PublishOptions, PublishResult } from '../publish/publication.ts';
import { publish } from '../publish/publish.ts';
import { type RollbackReport, rollBack } from '../publish/rollback.ts';
import { createFingerprints, loadFingerprintKey } from '../published/fingerprint.ts';
import { connectRedis } from '../redis/client.ts';
import type { RedisLink, RedisSettings } from '../redis/link.ts';
import { type CompiledDomains, type CompileOptions, compileDomains } from '../sources/compile.ts';

/** A sync may wait longer for one command than a login: the one step of a large site is one. In ms. */
const PATIENCE = 30_000;

export type SyncOptions = {
  files: CompileOptions;
  redis: RedisSettings;
  fingerprintKeyFile: string;
} & Pick<
  PublishOptions,
  | 'prefix'
  | 'passwords'
  | 'keeping'
  | 'concurrency'
  | 'maxLoss'
  | 'force'
  | 'dryRun'
  | 'progress'
  | 'beforeSwitch'
  | 'signal'
> & {
    /** Called with what the domain table names; its password files are read when the promise settles. */
    onCompiled?: ((compiled: CompiledDomains) => void | Promise<void>) | undefined;
  };

/** Reads the files and publishes them, over a connection of its own. Rejects as publish() and compileDomains() do. */
export async function syncTables(options: SyncOptions): Promise<PublishResult> {
  const { files, redis, fingerprintKeyFile, onCompiled, ...rest } = options;
  const compiled = await compileDomains(files);
  await onCompiled?.(compiled);
  const fingerprints = createFingerprints(await loadFingerprintKey(fingerprintKeyFile, !options.dryRun));
  return withLink(redis, (link) =>
    publish({ ...rest, link, compiled, fingerprints, domainTable: files.domainTable }),
  );
}

/** Brings back what was published before. Rejects as rollBack() does. */
export function rollBackTables(redis: RedisSettings, prefix: string): Promise<RollbackReport> {
  return withLink(redis, (link) => rollBack(link, prefix));
}

async function withLink<Result>(
  redis: RedisSettings,
  work: (link: RedisLink) => Promise<Result>,
): Promise<Result> {
  const link = connectRedis({ ...redis, timeout: Math.max(redis.timeout, PATIENCE) });
  try {
    await link.whenReady(redis.timeout);
    return await work(link);
  } finally {
    link.close();
  }
}
