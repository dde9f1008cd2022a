/**
 * Publishes the tables of `bench/start … argon2id` to Redis, as `sync` does but for one thing: the password is the same
 * for all users, and so is its hash. What a login costs is the same; what is spared is minutes of hashing beforehand.
 *
 *     bun bench/publish.ts CONFIG
 */
import { hashPassword } from '../src/auth/argon2.ts';
import { createPasswordTools } from '../src/auth/password-tools.ts';
import { loadConfig } from '../src/config/load.ts';
import { redisSettings } from '../src/server/redis-settings.ts';
import { tableFiles } from '../src/server/table-files.ts';
import { syncTables } from '../src/tables/sync/sync.ts';

const loaded = loadConfig(process.argv[2] ?? '', process.env);
if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
const { config, secrets } = loaded;
const { argon2, fingerprintKeyFile } = config.passwords;
const made = new Map<string, Promise<string>>();
const hash = (password: string) => {
  const known = made.get(password) ?? hashPassword(password, argon2);
  made.set(password, known);
  return known;
};
await syncTables({
  files: tableFiles(config),
  redis: await redisSettings(config, secrets),
  prefix: config.redis.prefix,
  fingerprintKeyFile,
  passwords: { ...createPasswordTools(argon2, null), hash },
  keeping: () => 'hashed',
  concurrency: 1,
});
process.exit(0);
