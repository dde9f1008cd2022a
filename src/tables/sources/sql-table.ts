import { SqlFailure, sqlFailure } from '../sql/failure.ts';
import type { ReadRows } from '../sql/read.ts';
import { octetsOf, SqlRows } from '../sql/rows.ts';
import { DiagnosticLog } from '../teapop/diagnostics.ts';
import type { PasswordFileRef, SqlDialect, SqlSource } from '../teapop/model.ts';
import type { PasswordFileHandlers, PasswordFileOptions, PasswordFileResult } from './compile.ts';
import { limitTo } from './concurrency.ts';
import { SourceUnreadable } from './source-file.ts';

/** Connections at the same time: a server has few, and each one sorts a table. */
const TABLES_AT_ONCE = 4;
const inTurn = limitTo(TABLES_AT_ONCE);

/** Loaded with the first table that needs it: most sites have no database. */
const READERS: Record<SqlDialect, () => Promise<ReadRows>> = {
  pgsql: async () => (await import('../sql/postgres.ts')).readPostgres,
  mysql: async () => (await import('../sql/mysql.ts')).readMysql,
};

export type SqlTableRef = PasswordFileRef & { sql: SqlSource };

export function isSqlTable(ref: PasswordFileRef): ref is SqlTableRef {
  return ref.sql !== undefined;
}

/**
 * Streams a database's table as if it were a password file, in constant memory and as it was at one moment. A fault
 * says that it could not be begun. @throws SourceUnreadable where reading breaks off
 */
export function readSqlTable(
  options: PasswordFileOptions,
  ref: SqlTableRef,
  handlers: PasswordFileHandlers,
): Promise<PasswordFileResult> {
  return inTurn(async () => {
    const rows = new SqlRows(ref, ref.sql, options);
    const notes = new DiagnosticLog(options.domainTable);
    const failure = await stream(ref, rows, notes, handlers);
    if (failure !== null) {
      const { message: reason, cure, fault } = failure;
      notes.add({ severity: 'error', line: ref.line, code: `database-${fault}`, reason, cure });
    }
    const { diagnostics, ...counts } = rows.end();
    return {
      fault: failure?.fault ?? null,
      why: failure && `${options.domainTable}:${ref.line}: ${failure.message}: ${failure.cure}`,
      summary: { ...counts, end: { reason: 'end-of-file', line: 0 } },
      diagnostics: [...notes.list(), ...diagnostics],
    };
  });
}

/** Why it could not be begun, or null. */
async function stream(
  ref: SqlTableRef,
  rows: SqlRows,
  notes: DiagnosticLog,
  { onRows, onOctets }: PasswordFileHandlers,
): Promise<SqlFailure | null> {
  const read = await READERS[ref.sql.dialect]();
  const batches = read(ref.sql, (report) => notes.add({ ...report, line: ref.line }));
  let begun = false;
  for (;;) {
    const next = await nextOf(batches, ref.sql, begun);
    if (next instanceof SqlFailure) {
      if (!begun) return next;
      throw new SourceUnreadable(`${next.message}: ${next.cure}`);
    }
    if (next.done) return null;
    begun = true;
    const ready = rows.push(next.value);
    onOctets?.(octetsOf(ready));
    try {
      if (ready.length > 0) await onRows(ready);
    } catch (error) {
      await batches.return(undefined);
      throw error;
    }
  }
}

async function nextOf<Batch>(
  batches: AsyncGenerator<Batch>,
  source: SqlSource,
  begun: boolean,
): Promise<IteratorResult<Batch> | SqlFailure> {
  try {
    return await batches.next();
  } catch (error) {
    return sqlFailure(source, error, begun);
  }
}
