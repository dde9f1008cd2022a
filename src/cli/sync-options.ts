import { createPasswordTools } from '../auth/password-tools.ts';
import type { LoadedConfig } from '../config/load.ts';
import { keepingOf } from '../config/mechanisms.ts';
import { openScramSalts, openSealer } from '../server/authenticator.ts';
import { redisSettings } from '../server/redis-settings.ts';
import { tableFiles } from '../server/table-files.ts';
import type { SyncOptions } from '../tables/sync/sync.ts';

/** What the config says of a sync. Rejects with an Error that names the file that cannot be read. */
export async function syncOptions({ config, secrets }: LoadedConfig): Promise<SyncOptions> {
  const { passwords, redis, sync } = config;
  return {
    files: tableFiles(config),
    redis: await redisSettings(config, secrets),
    prefix: redis.prefix,
    fingerprintKeyFile: passwords.fingerprintKeyFile,
    passwords: createPasswordTools(passwords.argon2, await openSealer(config), await openScramSalts(config)),
    keeping: (domain) => keepingOf(config, domain),
    concurrency: passwords.concurrency,
    maxLoss: sync.maxLoss,
  };
}
