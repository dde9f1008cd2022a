import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readMysql } from '../../../src/tables/sql/mysql.ts';
import { readPostgres } from '../../../src/tables/sql/postgres.ts';
import type { ReadRows } from '../../../src/tables/sql/read.ts';
import type { SqlSource } from '../../../src/tables/teapop/model.ts';
import { startMariadb } from '../../support/mariadb.ts';
import { startPostgres } from '../../support/postgres.ts';
import { type SqlServer, START_TIME } from '../../support/sql-server.ts';
import { temporaryCertificates } from '../../support/tls.ts';

let postgres: SqlServer;
let mariadb: SqlServer;

before(
  async () => {
    // Nobody vouches for it: what is asked for is that no password crosses the network in the clear.
    const { stranger } = temporaryCertificates();
    [postgres, mariadb] = await Promise.all([startPostgres(stranger), startMariadb(stranger)]);
  },
  { timeout: START_TIME },
);
after(() => Promise.all([postgres.stop(), mariadb.stop()]));

async function passwordsOf(
  read: ReadRows,
  { admin, port }: SqlServer,
  source: Pick<SqlSource, 'dialect' | 'host' | 'database' | 'table'>,
): Promise<unknown[]> {
  const columns = { userColumn: 'login', passwordColumn: 'secret', mailColumn: '' };
  const account = { user: admin.user, password: () => admin.password };
  const passwords: unknown[] = [];
  for await (const rows of read({ ...source, ...columns, ...account, port }, () => {})) {
    passwords.push(...rows.map(([, password]) => password));
  }
  return passwords;
}

test('PostgreSQL is asked over TLS where it offers that', async () => {
  await postgres.sql(
    "CREATE VIEW users AS SELECT 'john' AS login, ssl::text AS secret FROM pg_stat_ssl WHERE pid = pg_backend_pid();",
  );
  const source = { dialect: 'pgsql', database: 'postgres', table: 'users' } as const;
  assert.deepEqual(await passwordsOf(readPostgres, postgres, { ...source, host: '127.0.0.1' }), ['true']);
  assert.deepEqual(await passwordsOf(readPostgres, postgres, { ...source, host: 'localhost' }), ['true']);
});

test('MariaDB is asked over TLS where it offers that', async () => {
  await mariadb.sql(
    `CREATE DATABASE mail; CREATE TABLE mail.users (login text, secret text, active int);
     INSERT INTO mail.users VALUES ('john', 'one', 1); ALTER USER root@localhost REQUIRE SSL;`,
  );
  const source = { dialect: 'mysql', database: 'mail', table: 'users' } as const;
  assert.deepEqual(await passwordsOf(readMysql, mariadb, { ...source, host: '127.0.0.1' }), ['one']);
});
