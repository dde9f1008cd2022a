import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { SqlDialect, SqlSource } from '../teapop/model.ts';

/** Where and as whom to connect, as teapop's client libraries make it out of a line. */
export type SqlServer = {
  /** Of the local server; null over TCP. */
  socket: string | null;
  host: string;
  port: number;
  user: string;
  database: string;
};

const USUAL_PORT: Record<SqlDialect, number> = { mysql: 3306, pgsql: 5432 };

/** Where distributions and the projects themselves put the sockets; the first that is there is taken. */
const SOCKETS: Record<SqlDialect, readonly string[]> = {
  mysql: ['/run/mysqld/mysqld.sock', '/var/lib/mysql/mysql.sock', '/tmp/mysql.sock'],
  pgsql: ['/var/run/postgresql', '/run/postgresql', '/tmp'],
};

/** PostgreSQL names a socket by its port, in a folder. */
export function postgresSocket(folder: string, port: number): string {
  return `${folder}/.s.PGSQL.${port}`;
}

export function serverOf(source: SqlSource): SqlServer {
  const { dialect } = source;
  const host = textOf(source.host);
  const port = source.port ?? USUAL_PORT[dialect];
  // Both libraries take the account that runs them where the line names none, libpq also a database called like it.
  const user = textOf(source.user) || userInfo().username;
  const database = textOf(source.database) || user;
  return { socket: socketOf(dialect, host, port), host: host || 'localhost', port, user, database };
}

function socketOf(dialect: SqlDialect, host: string, port: number): string | null {
  const inFolder = (folder: string) => (dialect === 'pgsql' ? postgresSocket(folder, port) : folder);
  if (host.startsWith('/')) return inFolder(host);
  // To MySQL's library alone 'localhost' is the socket, whatever the port; without one it is tried over TCP here.
  const isLocal = host === '' || (dialect === 'mysql' && host === 'localhost');
  const found = isLocal ? SOCKETS[dialect].map(inFolder).find((path) => existsSync(path)) : undefined;
  return found ?? null;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Octets of the domain table as the drivers want them, which send UTF-8: they arrive as they were, where they are that. */
export function textOf(octets: string): string {
  try {
    return UTF8.decode(Buffer.from(octets, 'latin1'));
  } catch {
    return octets;
  }
}
