/** What a mysql or pgsql line of teapop.passwd says of the table that its users stand in. */

import { atoi } from './c-text.ts';
import type { Fault } from './domain-checks.ts';
import type { SqlDialect, SqlSource } from './model.ts';

export const SQL_FIELDS = [
  ...['domain', 'localip', 'authtype', 'maildir', 'hash', 'uid', 'gid'],
  ...['host', 'port', 'db', 'dbuser', 'dbpass', 'table', 'usercol', 'passcol', 'mailcol'],
];

/** teapop reads every row: no line of these types names a <max>. The most that its int could hold. */
export const NO_MAX = 2 ** 31 - 1;

const LAST_PORT = 65_535;

export function isSqlDialect(type: string): type is SqlDialect {
  return type === 'mysql' || type === 'pgsql';
}

/** Of a line that has all its fields. A fault is why nobody gets in through it, as under teapop. */
export function parseSqlSource(dialect: SqlDialect, fields: string[]): { sql: SqlSource; faults: Fault[] } {
  const [host = '', port = '', database = '', user = '', password = ''] = fields.slice(7);
  const [table = '', userColumn = '', passwordColumn = '', mailColumn = ''] = fields.slice(12);
  const number = portOf(dialect, port);
  const sql: SqlSource = {
    ...{ dialect, host, port: number || null, database, user, table, userColumn, passwordColumn, mailColumn },
    // Behind a call, so that whatever prints or stores the source cannot show it.
    password: () => password,
  };
  return { sql, faults: [...(number === null ? [badPort()] : []), ...blankFaults(sql)] };
}

/** 0 for the server's usual one, null for one that cannot be. */
function portOf(dialect: SqlDialect, written: string): number | null {
  // libmysqlclient is handed what atoi(3) makes of the field, libpq the field itself.
  if (dialect === 'pgsql' && !/^ *[0-9]* *$/.test(written)) return null;
  const port = Math.max(0, atoi(written));
  return port > LAST_PORT || (dialect === 'pgsql' && port === 0 && written.trim() !== '') ? null : port;
}

function badPort(): Fault {
  return {
    code: 'bad-port',
    reason: '<port> is no port',
    cure: `write a number from 1 to ${LAST_PORT}, or leave it blank for the usual one`,
  };
}

function blankFaults(sql: SqlSource): Fault[] {
  const needed: [field: string, value: string][] = [
    // libpq takes the database that is named like the user; MySQL has none to take.
    ['db', sql.dialect === 'mysql' ? sql.database : 'any'],
    ['table', sql.table],
    ['usercol', sql.userColumn],
    ['passcol', sql.passwordColumn],
  ];
  return needed.flatMap(([field, value]) =>
    value.trim() === '' ? { code: `blank-${field}`, reason: `<${field}> is blank`, cure: 'fill it in' } : [],
  );
}

/** The source in one word, for reports and for what is kept in Redis. */
export function sqlPath({ dialect, host, port, database, table }: SqlSource): string {
  const place = `${host || 'localhost'}${port === null ? '' : `:${port}`}`;
  return printable(`${dialect}://${place}/${database}/${table}`);
}

/** Octets that a terminal or a log may not get, as \xNN. */
export function printable(octets: string): string {
  return octets.replace(
    /[^\x20-\x7e]|\\/g,
    (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
