import { globSync } from 'node:fs';
import { freePort } from './ports.ts';
import { run, until } from './process.ts';
import { asAccount, certificateFor, giveTo, lifeOf, type SqlServer, startAs, tool } from './sql-server.ts';
import { temporaryFolder } from './temp.ts';
import type { TestCertificate } from './tls.ts';

const ACCOUNT = 'postgres';
const ADMIN = { user: 'admin', password: 'secret-of-admin' };

/**
 * Starts the distribution's PostgreSQL on a free port of 127.0.0.1; who connects needs a password. The databases'
 * encoding is SQL_ASCII, which takes any octets but NUL.
 * @param certificate with one it offers TLS
 */
export async function startPostgres(certificate?: TestCertificate): Promise<SqlServer> {
  const folder = temporaryFolder('postgres');
  await giveTo(ACCOUNT, folder.path);
  const password = folder.file('password', ADMIN.password);
  const data = `${folder.path}/data`;
  const programs = programsFolder();
  const initdb = [`${programs}/initdb`, '-D', data, '-N', '--no-locale', '-E', 'SQL_ASCII'];
  const access = ['-A', 'scram-sha-256', '-U', ADMIN.user, `--pwfile=${password}`];
  await tool([...asAccount(ACCOUNT), ...initdb, ...access]);
  const port = await freePort();
  const tls = certificate && (await certificateFor(ACCOUNT, folder, certificate));
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder.path,
    fsync: 'off',
    shared_buffers: '16MB',
    max_connections: '20',
    ...(tls && { ssl: 'on', ssl_cert_file: tls.cert, ssl_key_file: tls.key }),
  };
  const isReady = ['pg_isready', '-q', '-h', '127.0.0.1', '-p', String(port)] as [string, ...string[]];
  const launch = async () => {
    const set = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const command = [`${programs}/postgres`, '-D', data, '-p', String(port), ...set];
    const server = await startAs(ACCOUNT, command, port);
    // After a crash it listens before it lets anybody in.
    await until('PostgreSQL is ready', async () => (await run(isReady)).code === 0);
    return server;
  };
  // SIGINT is its fast shutdown: clients are cut off.
  const life = lifeOf(await launch(), launch, 'SIGINT', folder.remove);
  const psql = ['psql', '-X', '-q', '-At', '-F', '\t', '-v', 'ON_ERROR_STOP=1'];
  const where = ['-h', '127.0.0.1', '-p', String(port), '-U', ADMIN.user];
  return {
    ...life,
    port,
    admin: ADMIN,
    socket: folder.path,
    get pid() {
      return life.pid();
    },
    sql: (statements, database = 'postgres') => {
      const env = { PGPASSWORD: ADMIN.password, PGCLIENTENCODING: 'SQL_ASCII' };
      return tool([...psql, ...where, database], statements, env);
    },
  };
}

/** Debian keeps the server's programs out of everybody's PATH, by major version. */
function programsFolder(): string {
  const found = globSync('/usr/lib/postgresql/*/bin').toSorted().at(-1);
  if (found === undefined) throw new Error('PostgreSQL is not installed');
  return found;
}
