import { keepDiagnostics } from '../published/kept-diagnostics.ts';
import type { RedisKeys } from '../published/redis-keys.ts';
import type { RedisLink } from '../redis/link.ts';
import type { Diagnostic, TableId } from '../teapop/model.ts';
import { pruneBetter } from './prune-better.ts';

export type Synced = {
  /** The generation that is live now. */
  generation: number;
  changedTables: readonly TableId[];
  diagnostics: readonly Diagnostic[];
};

/** What a sync leaves behind for others once logins see what it published. Never rejects: no login rests on it. */
export async function afterSync(link: RedisLink, keys: RedisKeys, synced: Synced): Promise<void> {
  try {
    await keepDiagnostics(link, keys, synced.generation, synced.diagnostics);
    await pruneBetter(link, keys, synced.changedTables);
  } catch {
    // The sync is done. Stale hashes count for nothing, and the next sync tells its diagnostics again.
  }
}
