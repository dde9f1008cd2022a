import { Socket } from 'node:net';
import pg from 'pg';
import type { SqlSource } from '../teapop/model.ts';
import { missingColumns, missingTable, SqlFailure } from './failure.ts';
import { columnName, nameParts, quoteName } from './names.ts';
import type { ReadRows } from './read.ts';
import { BATCH_ROWS, CONNECT_TIME, isWithoutTls, leave, STATEMENT_TIME } from './read.ts';
import { MOST_OCTETS, type SqlRow } from './rows.ts';
import { serverOf, textOf } from './server.ts';

/** Reads a table of PostgreSQL, of 9.6 or later. */
export const readPostgres: ReadRows = async function* (source, _note, patience = STATEMENT_TIME) {
  const { client, socket } = await connect(source, patience);
  try {
    // One snapshot from here to the end, whatever others write; and nothing can be written.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // Hashing may leave the transaction idle for longer than a site allows its programs.
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await client.query(`SET LOCAL statement_timeout = ${patience}`);
    await client.query("SET LOCAL bytea_output = 'hex'");
    await client.query(`DECLARE users NO SCROLL CURSOR FOR ${await selection(client, source)}`);
    for (;;) {
      const { rows } = await client.query({ text: `FETCH ${BATCH_ROWS} FROM users`, rowMode: 'array' });
      if (rows.length === 0) return;
      yield (rows as (Buffer | null)[][]).map(sqlRow);
    }
  } finally {
    await leave(client.end(), () => socket.destroy());
  }
};

type Connected = { client: pg.Client; socket: Socket };

/** Encrypted where the server can, as libpq does unless it is told otherwise; who the server is is not verified. */
async function connect(source: SqlSource, patience: number): Promise<Connected> {
  const { socket } = serverOf(source);
  if (socket !== null) return open(source, patience, false);
  try {
    return await open(source, patience, { rejectUnauthorized: false });
  } catch (error) {
    if (!isWithoutTls(error)) throw error;
    return open(source, patience, false);
  }
}

async function open(
  source: SqlSource,
  patience: number,
  ssl: false | { rejectUnauthorized: false },
): Promise<Connected> {
  const { socket: path, host, port, user, database } = serverOf(source);
  const socket = new Socket();
  const client = new pg.Client({
    // pg makes a socket's path of the folder and the port.
    ...(path === null ? { host } : { host: path.slice(0, path.lastIndexOf('/')) }),
    ...{ port, user, database, ssl },
    password: textOf(source.password()),
    client_encoding: 'UTF8',
    application_name: 'teapop-proxy',
    connectionTimeoutMillis: CONNECT_TIME,
    query_timeout: patience,
    stream: () => socket,
  });
  // What breaks between two queries fails the next one; unheard it would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return { client, socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The query. It asks for octets, so that the encoding of the connection touches none. */
async function selection(client: pg.Client, source: SqlSource): Promise<string> {
  const table = quoteName('pgsql', nameParts('pgsql', textOf(source.table)));
  const { kind, types } = await describe(client, table);
  if (kind === null) throw new SqlFailure(source, missingTable(source));
  const named = [source.userColumn, source.passwordColumn, source.mailColumn || source.userColumn];
  const names = named.map((name) => columnName('pgsql', textOf(name)));
  const missing = named.filter((_, i) => !types.has(names[i]!));
  if (missing.length > 0) throw new SqlFailure(source, missingColumns(source, [...new Set(missing)]));
  const octets = names.map((name) => octetsOf(quoteName('pgsql', [name]), types.get(name)!));
  const [user, password, mail] = octets.map((value) => `substr(${value}, 1, ${MOST_OCTETS + 1})`);
  // teapop takes the row that comes first, which in a plain table is the one that stands first.
  const order = kind === 'r' ? '1, ctid' : '1, 2, 3';
  const mailbox = source.mailColumn === '' ? 'NULL::bytea' : mail;
  return `SELECT ${user}, ${password}, ${mailbox} FROM ${table} WHERE ${octets[0]} IS NOT NULL ORDER BY ${order}`;
}

/** A table's kind, null where there is none, and the types of its columns. */
async function describe(
  client: pg.Client,
  table: string,
): Promise<{ kind: string | null; types: Map<string, string> }> {
  const { rows } = await client.query({
    text: `SELECT c.relkind, a.attname, a.atttypid::regtype::text FROM pg_catalog.pg_class c
      LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.oid = pg_catalog.to_regclass($1)`,
    values: [table],
    rowMode: 'array',
  });
  const found = rows as [kind: string, name: string | null, type: string][];
  const types = new Map(found.flatMap(([, name, type]) => (name === null ? [] : [[name, type] as const])));
  return { kind: found[0]?.[0] ?? null, types };
}

function octetsOf(column: string, type: string): string {
  return type === 'bytea' ? column : `convert_to(${column}::text, getdatabaseencoding()::name)`;
}

function sqlRow([user, password, mail]: (Buffer | null)[]): SqlRow {
  const text = (value: Buffer | null | undefined) => value?.toString('latin1') ?? null;
  return [text(user), text(password), text(mail)];
}
