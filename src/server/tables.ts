import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import type { Log } from '../ops/log.ts';
import type { NearState } from '../ops/table-metrics.ts';
import { FileStore } from '../tables/sources/file-store.ts';
import type { Diagnostic } from '../tables/teapop/model.ts';
import type { TableStore } from '../tables/teapop/store.ts';
import { openNearTables } from './near-tables.ts';
import { tableFiles } from './table-files.ts';

/** The tables that logins are decided from, and what a reload does to them. */
export type Tables = {
  store: TableStore;
  /** Reads the files anew; where the tables are in Redis, every lookup sees what was published last. Rejects, and goes on with what it had. */
  reload(): Promise<void>;
  /** Null where the tables do not come from Redis. */
  redisUp(): boolean | null;
  /** What is remembered of tables in Redis; null where they do not come from there. */
  near(): NearState | null;
};

/** Rejects where the files cannot be read; Redis may come up later. */
export function openTables(config: Config, secrets: Secrets, log: Log): Promise<Tables> {
  return config.tables.source === 'files' ? fromFiles(config, log) : openNearTables(config, secrets, log);
}

async function fromFiles(config: Config, log: Log): Promise<Tables> {
  const store = await FileStore.open(tableFiles(config));
  report(store.diagnostics, log);
  return {
    store,
    async reload() {
      report(await store.reload(), log);
    },
    redisUp: () => null,
    near: () => null,
  };
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
