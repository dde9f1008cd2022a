import { readPasswordFile } from './compile.ts';
import { type Limit, limitTo, mapConcurrently } from './concurrency.ts';
import type { FileFault } from './diagnostics.ts';
import type { Diagnostic, PasswordFileRef, TableId } from './model.ts';
import type { PasswordRow } from './password-file.ts';
import { type Publishing, refuseLoss, type TableChange } from './publication.ts';
import { TableWriter } from './publish-table.ts';
import { FORMAT, type TableMeta } from './redis-format.ts';
import { nextOf } from './redis-keys.ts';
import { type Become, becoming } from './stored-secrets.ts';

/** Hashing so many takes seconds, writing them a millisecond: often enough for progress and for an interrupt. */
const ROWS_AT_ONCE = 250;

/** Of one password file. */
export type TableOutcome = {
  /** Null where the live table is what the file says. */
  change: TableChange | null;
  users: number;
  rows: number;
  diagnostics: Diagnostic[];
};

/** A file, what its passwords become and what is live of it. */
type Source = {
  ref: PasswordFileRef;
  become: Become;
  /** All besides its octets that the published table depends on. */
  settings: string;
  published: TableMeta | null;
};

type Context = Publishing & { stop: AbortSignal; limit: Limit };

/** Reads every password file and writes the tables that changed beside the live ones. */
export async function publishTables(publishing: Publishing): Promise<TableOutcome[]> {
  const { compiled, concurrency, signal } = publishing;
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const context = { ...publishing, stop, limit: limitTo(concurrency) };
  const sealed = sealedTables(publishing);
  // Several files at once, for a site may have a hundred thousand of a user each.
  return mapConcurrently(compiled.passwordFiles, concurrency, async (ref) => {
    try {
      return await publishTable(context, sourceOf(publishing, ref, sealed.has(ref.id)));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
}

/** One domain that offers APOP is enough, where several share a password file. */
function sealedTables({ compiled, offersApop }: Publishing): Set<TableId> {
  return new Set(compiled.entries.flatMap(({ table, domain }) => (offersApop(domain) ? (table ?? []) : [])));
}

function sourceOf({ passwords, found }: Publishing, ref: PasswordFileRef, offersApop: boolean): Source {
  const become = becoming(ref.id, ref.type, offersApop, passwords);
  const settings = [FORMAT, become.name, become.settings, ref.type, ref.max].join(' ');
  return { ref, become, settings, published: found.tables.get(ref.id)?.meta ?? null };
}

/** Reads a file; where its content is not what was published, once more to write it. */
async function publishTable(context: Context, source: Source): Promise<TableOutcome> {
  const { published } = source;
  if (published !== null) {
    const { fingerprint, diagnostics } = await read(context, source, () => {});
    const { users, rows } = published;
    if (fingerprint === published.source) return { change: null, users, rows, diagnostics };
  }
  return writeTable(context, source);
}

async function writeTable(context: Context, source: Source): Promise<TableOutcome> {
  const { keys, claim, link, progress, stop } = context;
  const { ref, become, published } = source;
  const live = keys.table(ref.id);
  const next = nextOf(live, claim.nonce);
  const writer = new TableWriter({
    ...context,
    live: published === null ? null : live,
    liveUsers: published?.users ?? 0,
    next,
    become,
  });
  await link.command('SADD', keys.begun, next);
  let rows = 0;
  const onRows = async (some: PasswordRow[]) => {
    for (let i = 0; i < some.length; i += ROWS_AT_ONCE) {
      stop.throwIfAborted();
      claim.check();
      const batch = some.slice(i, i + ROWS_AT_ONCE);
      await writer.write(batch);
      rows += batch.length;
      progress?.({ path: ref.path, rows });
    }
  };
  const { fingerprint, diagnostics } = await read(context, source, onRows);
  const { id, path, type, max } = ref;
  const counts = await writer.finish(context.generation, { source: fingerprint, type, path, max });
  return { change: { id, path, ...counts }, users: counts.users, rows: counts.rows, diagnostics };
}

async function read(
  context: Context,
  { ref, settings, published }: Source,
  onRows: (rows: PasswordRow[]) => void | Promise<void>,
): Promise<{ fingerprint: string; diagnostics: Diagnostic[] }> {
  const { fingerprints, domainTable, passwords, force } = context;
  const fingerprint = fingerprints.source(settings);
  const result = await readPasswordFile({ domainTable, hashProblem: passwords.hashProblem }, ref, {
    onOctets: fingerprint.add,
    onRows,
  });
  refuseLoss(ref.path, isAway(result.fault) ? (published?.users ?? 0) : 0, force);
  return { fingerprint: fingerprint.value(), diagnostics: result.diagnostics };
}

/** Gone or out of reach, which may be an accident; teapop refuses the other kinds for what they are. */
function isAway(fault: FileFault | null): boolean {
  return fault === 'missing' || fault === 'unreadable';
}
