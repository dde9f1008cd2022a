import type { LoadedConfig } from '../config/load.ts';
import { rollBackTables } from '../tables/sync/sync.ts';
import { type CommandIo, EXIT } from './io.ts';
import { syncOptions } from './sync-options.ts';
import { tellFailure } from './sync-report.ts';

/** `sync --rollback`. */
export async function syncRollback(loaded: LoadedConfig, json: boolean, io: CommandIo): Promise<number> {
  try {
    const { redis, prefix } = await syncOptions(loaded);
    const report = await rollBackTables(redis, prefix);
    if (json) io.out(`${JSON.stringify({ status: 'rolled-back', ...report })}\n`);
    else {
      io.out(
        `generation ${report.generation} is what was published before generation ${report.before}: ` +
          `${report.domains} domains, ${report.users} users; ${report.tables} password tables went back\n` +
          'the next sync publishes the files again: until they are mended, stop what starts it\n',
      );
    }
    return EXIT.ok;
  } catch (error) {
    tellFailure(error as Error, json, io);
    return EXIT.failed;
  }
}
