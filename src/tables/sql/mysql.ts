import mysql from 'mysql2';
import type { Report } from '../teapop/diagnostics.ts';
import type { SqlSource } from '../teapop/model.ts';
import { missingColumns, SqlFailure } from './failure.ts';
import { columnName, nameParts, quoteName } from './names.ts';
import type { ReadRows } from './read.ts';
import { BATCH_ROWS, CONNECT_TIME, isWithoutTls, leave, SilenceWatch, STATEMENT_TIME } from './read.ts';
import { MOST_OCTETS, type SqlRow } from './rows.ts';
import { serverOf, textOf } from './server.ts';

/** How long the server waits until it can send more, in s: while passwords are hashed nothing is taken. */
const WRITE_TIME = 24 * 60 * 60;

/** Reads a table of MySQL or MariaDB, of 5.1 or later. */
export const readMysql: ReadRows = async function* (source, note, patience = STATEMENT_TIME) {
  const connection = await connect(source);
  const query = async (sql: string) => (await connection.promise().query({ sql, timeout: patience }))[0];
  let complete = false;
  try {
    await query(`SET SESSION net_write_timeout = ${WRITE_TIME}`);
    await query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    yield* batches(connection, await selection({ connection, query }, source, note), patience);
    complete = true;
  } finally {
    // It would send the rest of the rows before it said goodbye.
    if (complete) await leave(connection.promise().end(), () => connection.destroy());
    else connection.destroy();
  }
};

/** Encrypted where the server can, as its own library does unless it is told otherwise; who it is is not verified. */
async function connect(source: SqlSource): Promise<mysql.Connection> {
  const { socket } = serverOf(source);
  if (socket !== null) return open(source, {});
  try {
    return await open(source, { ssl: { rejectUnauthorized: false } });
  } catch (error) {
    if (!isWithoutTls(error)) throw error;
    return open(source, {});
  }
}

async function open(source: SqlSource, tls: mysql.ConnectionOptions): Promise<mysql.Connection> {
  const { socket, host, port, user } = serverOf(source);
  const connection = mysql.createConnection({
    ...tls,
    ...(socket === null ? { host, port } : { socketPath: socket }),
    user,
    password: textOf(source.password()),
    database: textOf(source.database),
    charset: 'utf8_general_ci',
    connectTimeout: CONNECT_TIME,
    disableEval: true,
    rowsAsArray: true,
    // Octets, not text: what they mean is not for the connection to say.
    typeCast: (field) => field.buffer(),
  });
  // What breaks between two queries fails the next one; unheard it would end the process.
  connection.on('error', () => {});
  try {
    await connection.promise().connect();
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

type Db = { connection: mysql.Connection; query: (sql: string) => Promise<unknown> };

/** The query. */
async function selection(db: Db, source: SqlSource, note: (report: Report) => void): Promise<string> {
  const parts = nameParts('mysql', textOf(source.table));
  const table = quoteName('mysql', parts);
  const columns = await describe(db, table);
  const named = [source.userColumn, source.passwordColumn, source.mailColumn].filter((name) => name !== '');
  const has = (name: string) => columns.some((column) => sameName(column.name, name));
  const missing = named.filter((name) => !has(columnName('mysql', textOf(name))));
  if (missing.length > 0) throw new SqlFailure(source, missingColumns(source, missing));
  const active = has('active');
  if (!active) note(noActive());
  const quoted = named.map((name) => quoteName('mysql', [columnName('mysql', textOf(name))]));
  const octets = quoted.map((name) => `SUBSTRING(CAST(${name} AS BINARY), 1, ${MOST_OCTETS + 1})`);
  // Of rows with one userid teapop takes the first, which an index or a scan finds by the primary key.
  const keys = columns.filter(({ key }) => key === 'PRI').map(({ name }) => quoteName('mysql', [name]));
  const buffered = (await isTransactional(db, parts)) ? '' : 'SQL_BUFFER_RESULT ';
  return (
    `SELECT ${buffered}${octets.join(', ')} FROM ${table} WHERE ${quoted[0]} IS NOT NULL` +
    `${active ? ' AND `active` = 1' : ''} ORDER BY ${[quoted[0], ...keys].join(', ')}`
  );
}

/** MySQL's names of columns have no letter case. */
function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

type Column = { name: string; key: string };

async function describe(db: Db, table: string): Promise<Column[]> {
  const rows = (await db.query(`SHOW COLUMNS FROM ${table}`)) as (Buffer | null)[][];
  return rows.map((row) => ({
    name: row[0]?.toString('utf8') ?? '',
    key: row[3]?.toString('latin1') ?? '',
  }));
}

/** Of other engines a table is locked while it is read, so that its server is to put the result aside at once. */
async function isTransactional(db: Db, parts: readonly string[]): Promise<boolean> {
  const [rows] = await db.connection
    .promise()
    .execute(
      'SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?',
      [parts.length > 1 ? parts.at(-2)! : null, parts.at(-1)!],
    );
  const [engine] = (rows as (Buffer | string | null)[][])[0] ?? [];
  return String(engine) === 'InnoDB';
}

function noActive(): Report {
  return {
    severity: 'warning',
    line: 0,
    code: 'no-active-column',
    reason:
      "teapop 0.3.8 asks a mysql table for rows with active = 1; this one has no column 'active': all rows count",
    cure: 'ALTER TABLE … ADD active TINYINT NOT NULL DEFAULT 1',
  };
}

async function* batches(
  connection: mysql.Connection,
  sql: string,
  patience: number,
): AsyncGenerator<SqlRow[]> {
  const stream = connection.query(sql).stream({ highWaterMark: BATCH_ROWS });
  const watch = new SilenceWatch(patience, () => stream.destroy(new Error('timeout')));
  // The driver tells the connection alone that it broke: without this the stream would wait for good.
  connection.once('error', (error) => stream.destroy(error));
  let batch: SqlRow[] = [];
  try {
    watch.listen();
    for await (const row of stream as AsyncIterable<(Buffer | null)[]>) {
      batch.push(sqlRow(row));
      if (batch.length < BATCH_ROWS) continue;
      watch.rest();
      yield batch;
      watch.listen();
      batch = [];
    }
  } finally {
    watch.rest();
  }
  if (batch.length > 0) yield batch;
}

function sqlRow([user, password, mail]: (Buffer | null)[]): SqlRow {
  const text = (value: Buffer | null | undefined) => value?.toString('latin1') ?? null;
  return [text(user), text(password), text(mail)];
}
