import { readFile } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import type { RedisSettings } from '../tables/redis-client.ts';

/** The `redis:` section with what its files hold. Rejects with an Error that names the file. */
export async function redisSettings(config: Config, secrets: Secrets): Promise<RedisSettings> {
  const { host, port, username, database, timeout, tls } = config.redis;
  const ca = tls?.caFile ? await readFile(tls.caFile, 'utf8') : null;
  return {
    host,
    port,
    username,
    password: secrets.redis(),
    database,
    timeout,
    tls: tls && { ca, serverName: tls.serverName, verify: tls.verify },
  };
}
