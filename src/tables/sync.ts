import { type CompiledDomains, type CompileOptions, compileDomains } from './compile.ts';
import { createFingerprints, loadFingerprintKey } from './fingerprint.ts';
import type { PublishOptions, PublishResult } from './publication.ts';
import { publish } from './publish.ts';
import { connectRedis, type RedisSettings } from './redis-client.ts';

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
  | 'offersApop'
  | 'concurrency'
  | 'maxLoss'
  | 'force'
  | 'dryRun'
  | 'progress'
  | 'beforeSwitch'
  | 'signal'
> & {
    /** Called with what the domain table names, before its password files are read. */
    onCompiled?: ((compiled: CompiledDomains) => void) | undefined;
  };

/** Reads the files and publishes them, over a connection of its own. Rejects as publish() and compileDomains() do. */
export async function syncTables(options: SyncOptions): Promise<PublishResult> {
  const { files, redis, fingerprintKeyFile, onCompiled, ...rest } = options;
  const compiled = await compileDomains(files);
  onCompiled?.(compiled);
  const fingerprints = createFingerprints(await loadFingerprintKey(fingerprintKeyFile, !options.dryRun));
  const link = connectRedis({ ...redis, timeout: Math.max(redis.timeout, PATIENCE) });
  try {
    await link.whenReady(redis.timeout);
    return await publish({ ...rest, link, compiled, fingerprints, domainTable: files.domainTable });
  } finally {
    link.close();
  }
}
