import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import type { Log } from '../ops/log.ts';
import { FileStore } from '../tables/file-store.ts';
import type { Diagnostic } from '../tables/model.ts';
import { connectRedis } from '../tables/redis-client.ts';
import { RedisStore } from '../tables/redis-store.ts';
import type { TableStore } from '../tables/store.ts';
import { redisSettings } from './redis-settings.ts';

/** The tables that logins are decided from, and what a reload does to them. */
export type Tables = {
  store: TableStore;
  /** Reads the files anew; where the tables are in Redis, every lookup sees what was published last. Rejects, and goes on with what it had. */
  reload(): Promise<void>;
  /** Null where the tables do not come from Redis. */
  redisUp(): boolean | null;
};

/** Rejects where the files cannot be read; Redis may come up later. */
export function openTables(config: Config, secrets: Secrets, log: Log): Promise<Tables> {
  return config.tables.source === 'files' ? fromFiles(config, log) : fromRedis(config, secrets);
}

async function fromFiles(config: Config, log: Log): Promise<Tables> {
  const { domainTable, resolveNames, accounts } = config.tables;
  const store = await FileStore.open({ domainTable, resolveNames, accounts });
  report(store.diagnostics, log);
  return {
    store,
    async reload() {
      report(await store.reload(), log);
    },
    redisUp: () => null,
  };
}

async function fromRedis(config: Config, secrets: Secrets): Promise<Tables> {
  const link = connectRedis(await redisSettings(config, secrets));
  const store = new RedisStore({ link, prefix: config.redis.prefix });
  return { store, reload: async () => {}, redisUp: () => link.problem() === null };
}

/** The operator's files are wrong somewhere: said at each reading, for each line, with the cure. */
function report(diagnostics: readonly Diagnostic[], log: Log): void {
  for (const { severity, file, line, code, reason, cure } of diagnostics) {
    log.event(severity === 'error' ? 'error' : 'warn', 'table-diagnostic', {
      file,
      line,
      code,
      reason,
      cure,
    });
  }
}
