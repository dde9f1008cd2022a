import type { ChangeList } from '../published/changes.ts';
import { FORMAT, type TableMeta } from '../published/redis-format.ts';
import { nextOf } from '../published/redis-keys.ts';
import { readPasswordFile } from '../sources/compile.ts';
import { type Limit, limitTo, mapConcurrently } from '../sources/concurrency.ts';
import { type Become, becoming } from '../sources/stored-secrets.ts';
import type { FileFault } from '../teapop/diagnostics.ts';
import type { Diagnostic, PasswordFileRef, TableId } from '../teapop/model.ts';
import type { PasswordRow } from '../teapop/password-file.ts';
import type { Keeping } from '../teapop/password-tools.ts';
import type { DomainDiff } from './domain-diff.ts';
import { refuseAbsence } from './loss.ts';
import { ProgressMeter } from './progress.ts';
import type { Publishing, TableChange } from './publication.ts';
import { removedUsers } from './removed-users.ts';
import { type Fate, type TableCounts, TableWriter } from './table.ts';

/** Hashing so many takes seconds, writing them a millisecond: often enough for progress and for an interrupt. */
const ROWS_AT_ONCE = 250;

/** A site may have a hundred thousand files of a user each: while one is read, others wait for Redis. */
const FILES_AT_ONCE = 16;

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
  /** What is published of the file. */
  published: TableMeta | null;
  /** The table whose users it has: its own, or that which it succeeds. */
  before: { id: TableId; meta: TableMeta } | null;
};

type Context = Publishing & { changes: ChangeList; stop: AbortSignal; limit: Limit; meter: ProgressMeter };

/** Reads every password file and writes the tables that changed beside the live ones. */
export async function publishTables(
  publishing: Publishing,
  successors: DomainDiff['successors'],
  changes: ChangeList,
): Promise<TableOutcome[]> {
  const { compiled, concurrency, signal, progress } = publishing;
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const meter = new ProgressMeter(progress);
  await meter.measure(compiled.passwordFiles);
  const context = { ...publishing, changes, stop, limit: limitTo(concurrency), meter };
  const kept = keepings(publishing);
  return mapConcurrently(compiled.passwordFiles, FILES_AT_ONCE, async (ref) => {
    try {
      stop.throwIfAborted();
      const outcome = await publishTable(
        context,
        sourceOf(publishing, ref, kept.get(ref.id) ?? 'hashed', successors),
      );
      meter.fileDone(ref);
      return outcome;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
}

/** Where several domains share a password file, it is kept for the one that wants the most of it. */
function keepings({ compiled, keeping }: Publishing): Map<TableId, Keeping> {
  const all = new Map<TableId, Keeping>();
  for (const { table, domain } of compiled.entries) {
    if (table === null) continue;
    const [own, others] = [keeping(domain), all.get(table) ?? 'hashed'];
    all.set(table, KEEPINGS.indexOf(own) > KEEPINGS.indexOf(others) ? own : others);
  }
  return all;
}

/** Each serves all that the one before serves. */
const KEEPINGS: readonly Keeping[] = ['hashed', 'scram', 'sealed'];

function sourceOf(
  { passwords, found }: Publishing,
  ref: PasswordFileRef,
  keeping: Keeping,
  successors: DomainDiff['successors'],
): Source {
  const become = becoming(ref.id, ref.type, keeping, passwords);
  const settings = [FORMAT, become.name, become.settings, ref.type, ref.max].join(' ');
  const published = found.tables.get(ref.id)?.meta ?? null;
  const id = successors.get(ref.id) ?? ref.id;
  const meta = found.tables.get(id)?.meta ?? null;
  return { ref, become, settings, published, before: meta && { id, meta } };
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
  const { keys, claim, link, meter, stop } = context;
  const { ref, before } = source;
  const next = nextOf(keys.table(ref.id), claim.nonce);
  const writer = makeWriter(context, source, next);
  await link.command('SADD', keys.begun, next);
  let octets = 0;
  const onRows = async (some: PasswordRow[]) => {
    for (let i = 0; i < some.length; i += ROWS_AT_ONCE) {
      stop.throwIfAborted();
      claim.check();
      const batch = some.slice(i, i + ROWS_AT_ONCE);
      const { hashed } = writer;
      await writer.write(batch);
      meter.wrote(ref, octets, batch.length, writer.hashed - hashed);
      octets = 0;
    }
  };
  const onOctets = (some: Uint8Array) => {
    octets += some.length;
  };
  const { fingerprint, diagnostics } = await read(context, source, onRows, onOctets);
  const { id, path, type, max } = ref;
  const counts = await writer.finish(context.generation, { source: fingerprint, type, path, max });
  const names = await listChanges(context, source, writer, counts);
  const movedFrom = before === null || before.id === id ? null : before.meta.path;
  const { users, rows } = counts;
  return { change: { id, path, movedFrom, names, ...counts }, users, rows, diagnostics };
}

function makeWriter(context: Context, { become, before, ref }: Source, next: string): TableWriter {
  const { keys, dryRun } = context;
  return new TableWriter({
    ...context,
    live: before && keys.table(before.id),
    liveUsers: before?.meta.users ?? 0,
    // A sealed password opens in its own table alone.
    reuse: before?.id === ref.id || become.name !== 'sealed',
    next,
    become: dryRun ? { ...become, make: async () => NOT_MADE } : become,
  });
}

/** Written, and never switched to, where a dry run would have hashed. */
const NOT_MADE = '{DRY-RUN}';

/** Names what differs, as far as there is room for it: for the report, and for what proxies hold in memory. */
async function listChanges(
  { keys, claim, link, changes }: Context,
  { ref, published, before }: Source,
  { names }: TableWriter,
  { removed }: TableCounts,
): Promise<TableChange['names']> {
  let gone: string[] | null = [];
  if (names === null || !changes.hasRoomFor(names.size + removed)) gone = null;
  else if (before !== null && removed > 0) {
    const next = nextOf(keys.table(ref.id), claim.nonce);
    gone = await removedUsers(link, keys.table(before.id), next, before.meta.users);
  }
  const listed = gone === null || names === null ? null : [...names.keys(), ...gone];
  // No proxy holds anything of a new table, which all of it says in the fewest words.
  if (listed === null || published === null) changes.addAllUsers(ref.id);
  else changes.addUsers(ref.id, listed);
  if (listed === null || gone === null) return null;
  if (published === null) changes.reserve(listed.length);
  const of = (wanted: Fate) => [...names!].flatMap(([userid, fate]) => (fate === wanted ? userid : []));
  return { added: of('added'), changed: of('changed'), removed: gone };
}

async function read(
  context: Context,
  { ref, settings, before }: Source,
  onRows: (rows: PasswordRow[]) => void | Promise<void>,
  onOctets?: (octets: Uint8Array) => void,
): Promise<{ fingerprint: string; diagnostics: Diagnostic[] }> {
  const { fingerprints, domainTable, passwords, force } = context;
  const fingerprint = fingerprints.source(settings);
  const result = await readPasswordFile({ domainTable, hashProblem: passwords.hashProblem }, ref, {
    onOctets: (octets) => {
      fingerprint.add(octets);
      onOctets?.(octets);
    },
    onRows,
  });
  if (isAway(result.fault) && !force) refuseAbsence(ref.path, before?.meta.users ?? 0, result.why);
  return { fingerprint: fingerprint.value(), diagnostics: result.diagnostics };
}

/** Gone or out of reach, which may be an accident; teapop refuses the other kinds for what they are. */
function isAway(fault: FileFault | null): boolean {
  return fault === 'missing' || fault === 'unreadable';
}
