import { connect } from 'node:net';
import { freePort } from './ports.ts';
import { until } from './process.ts';
import { asAccount, certificateFor, giveTo, lifeOf, type SqlServer, startAs, tool } from './sql-server.ts';
import { temporaryFolder } from './temp.ts';
import type { TestCertificate } from './tls.ts';

const ACCOUNT = 'mysql';
const ADMIN = { user: 'root', password: 'secret-of-root' };

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}

/**
 * Starts the distribution's MariaDB on a free port of 127.0.0.1.
 * @param certificate with one it offers TLS
 */
export async function startMariadb(certificate?: TestCertificate): Promise<SqlServer> {
  const folder = temporaryFolder('mariadb');
  await giveTo(ACCOUNT, folder.path);
  const data = `${folder.path}/data`;
  const socket = `${folder.path}/socket`;
  const small = [
    '--innodb-log-file-size=8M',
    '--innodb-buffer-pool-size=16M',
    '--innodb-flush-method=nosync',
  ];
  const install = ['mariadb-install-db', '--no-defaults', `--datadir=${data}`, '--skip-test-db', ...small];
  const access = ['--auth-root-authentication-method=normal', '--skip-name-resolve'];
  await tool([...asAccount(ACCOUNT), ...install, ...access]);
  const port = await freePort();
  const tls = certificate && (await certificateFor(ACCOUNT, folder, certificate));
  const options = tls === undefined ? [] : [`--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key}`];
  const launch = async () => {
    const where = [`--datadir=${data}`, `--socket=${socket}`, '--bind-address=127.0.0.1', `--port=${port}`];
    const server = await startAs(
      ACCOUNT,
      ['mariadbd', '--no-defaults', ...where, ...small, ...options],
      port,
    );
    // It listens on the port first.
    await until('MariaDB listens on its socket', () => answers(socket));
    return server;
  };
  const life = lifeOf(await launch(), launch, 'SIGTERM', folder.remove);
  const client = ['mariadb', '--no-defaults', `--socket=${socket}`, '-u', ADMIN.user, '-N', '-B', '--raw'];
  const sql = (statements: string, database = 'mysql', password = ADMIN.password) =>
    tool([...client, '--binary-mode', '--default-character-set=binary', database], statements, {
      MYSQL_PWD: password,
    });
  await sql(`SET PASSWORD = PASSWORD('${ADMIN.password}');`, 'mysql', '');
  return {
    ...life,
    port,
    admin: ADMIN,
    socket,
    get pid() {
      return life.pid();
    },
    sql: (statements, database) => sql(statements, database),
  };
}
