import { readFile } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import type { RedisServers, RedisSettings } from '../tables/redis/link.ts';

/** The `redis:` section with what its files hold. Rejects with an Error that names the file. */
export async function redisSettings(config: Config, secrets: Secrets): Promise<RedisSettings> {
  const { username, database, timeout, tls } = config.redis;
  const ca = tls?.caFile ? await readFile(tls.caFile, 'utf8') : null;
  return {
    servers: servers(config.redis, secrets),
    username,
    password: secrets.redis(),
    database,
    timeout,
    tls: tls && { ca, serverName: tls.serverName, verify: tls.verify },
  };
}

function servers(redis: Config['redis'], secrets: Secrets): RedisServers {
  const { host, port, sentinels, master, sentinelUsername, cluster } = redis;
  if (cluster !== null) return { kind: 'cluster', nodes: cluster };
  if (sentinels === null) return { kind: 'single', host, port };
  // The rules see to it that a master is named.
  const sentinel = { master: master ?? '', username: sentinelUsername, password: secrets.sentinel() };
  return { kind: 'sentinel', sentinels, ...sentinel };
}
