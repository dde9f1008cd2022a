import { quote } from '../teapop/diagnostics.ts';
import type { SqlSource } from '../teapop/model.ts';

/**
 * Thrown where a database's table is not read. The message names the database and what is wrong. Of what the server
 * or the driver said it holds but what was said before the first row came, so never anything of one.
 */
export class SqlFailure extends Error {
  override name = 'SqlFailure';
  readonly fault: 'missing' | 'unreadable';
  readonly cure: string;

  constructor(source: SqlSource, { fault = 'unreadable', reason, cure }: Wrong) {
    super(`${placeOf(source)}: ${reason}`);
    this.fault = fault;
    this.cure = cure;
  }
}

type Wrong = { fault?: 'missing' | 'unreadable'; reason: string; cure: string };

/** What a server's words are cut to. */
const SAID_CHARACTERS = 200;

/** By SQLSTATE of PostgreSQL, by name of MySQL's errors and of the system's. */
const KINDS: readonly { codes: RegExp; wrong: (source: SqlSource) => Wrong }[] = [
  {
    codes: /^(?:28\w{3}|ER_ACCESS_DENIED\w*|ER_HOST_NOT_PRIVILEGED|ER_NOT_SUPPORTED_AUTH_MODE)$/,
    wrong: ({ user }) => ({
      reason: `the server does not let user ${quote(user)} in`,
      cure: 'correct <dbuser> and <dbpass>, or let that user connect from this host',
    }),
  },
  {
    codes: /^(?:3D000|ER_BAD_DB_ERROR)$/,
    wrong: () => ({
      fault: 'missing',
      reason: 'there is no such database',
      cure: 'correct <db>, or create it',
    }),
  },
  {
    codes: /^(?:42P01|3F000|ER_NO_SUCH_TABLE)$/,
    wrong: missingTable,
  },
  {
    codes: /^(?:42703|ER_BAD_FIELD_ERROR)$/,
    wrong: ({ table }) => ({
      fault: 'missing',
      reason: `table ${quote(table)} lacks a column`,
      cure: 'correct <usercol>, <passcol> and <mailcol>',
    }),
  },
  {
    codes: /^(?:42501|ER_\w*ACCESS_DENIED_ERROR)$/,
    wrong: ({ user, table }) => ({
      reason: `user ${quote(user)} may not read table ${quote(table)}`,
      cure: `grant ${quote(user)} SELECT on it`,
    }),
  },
  {
    codes: /^(?:ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EACCES)$/,
    wrong: () => ({
      reason: 'the server cannot be reached',
      cure: 'start it, or correct <host> and <port>',
    }),
  },
];

/** @param reading whether rows were already on their way */
export function sqlFailure(source: SqlSource, error: unknown, reading: boolean): SqlFailure {
  if (error instanceof SqlFailure) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' ? code : '';
  const { reason, cure, fault } = KINDS.find(({ codes }) => codes.test(known))?.wrong(source) ?? {
    reason: reading ? 'reading broke off' : 'the server cannot be asked',
    cure: 'see to the server, then sync again',
  };
  const said = reading ? known : [known, saidBy(message)].filter((text) => text !== '').join(': ');
  const shown = said === '' ? reason : `${reason} (${said})`;
  return new SqlFailure(source, { reason: shown, cure, ...(fault === undefined ? {} : { fault }) });
}

export function missingTable({ table }: SqlSource): Wrong {
  return {
    fault: 'missing',
    reason: `there is no table ${quote(table)}, or the user may not see it`,
    cure: 'correct <table>, or create it',
  };
}

export function missingColumns({ table }: SqlSource, columns: readonly string[]): Wrong {
  return {
    fault: 'missing',
    reason: `table ${quote(table)} has no column ${columns.map(quote).join(', ')}`,
    cure: 'correct <usercol>, <passcol> and <mailcol>',
  };
}

function placeOf({ dialect, host, port, database }: SqlSource): string {
  const place = host === '' ? 'the local server' : quote(host);
  return `${dialect} database ${quote(database)} at ${place}${port === null ? '' : ` port ${port}`}`;
}

function saidBy(message: unknown): string {
  const line = typeof message === 'string' ? message.split('\n')[0]! : '';
  return line.replace(/[^\x20-\x7e]/g, '?').slice(0, SAID_CHARACTERS);
}
