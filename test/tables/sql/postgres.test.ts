import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPostgres } from '../../../src/tables/sql/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import { READER } from '../../support/sql-site.ts';
import { conforms } from './conformance.ts';

const it = conforms({
  dialect: 'pgsql',
  start: () => startPostgres(),
  read: readPostgres,
  prepare: (server) =>
    server.sql(
      `CREATE ROLE ${READER.user} LOGIN PASSWORD '${READER.password}'; GRANT pg_read_all_data TO ${READER.user};\n` +
        'CREATE DATABASE mail;',
    ),
  create: 'DROP TABLE IF EXISTS users; CREATE TABLE users (id serial, login text, secret text, box text);',
  literal: (octets) =>
    `convert_from('\\x${Buffer.from(octets, 'latin1').toString('hex')}'::bytea, 'SQL_ASCII')`,
  many: (count, octets) =>
    `TRUNCATE users; INSERT INTO users (login, secret, box)
     SELECT 'u' || n, 'p' || n, n || 'x' || repeat('y', ${octets}) FROM generate_series(1, ${count}) n;`,
});

test('names without quotes are read in lower case, schemas and quotes as written', async () => {
  await it.server.sql(
    `DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other;
     CREATE TABLE other."Users" ("Login" text, secret text); INSERT INTO other."Users" VALUES ('ann', 'x');
     INSERT INTO users (login, secret, box) VALUES ('john', 'one', 'a');`,
    'mail',
  );
  it.serve(
    it.line({ table: 'USERS', columns: 'Login:users.SECRET:Box' }),
    it.line({ domain: 'other.org', table: 'Other."Users"', columns: '"Login":Secret:' }),
    it.line({ domain: 'exact.org', table: '"USERS"' }),
  );
  const { diagnostics } = await it.sync();
  assert.deepEqual(
    diagnostics.map(({ line, code }) => [line, code]),
    [[3, 'database-missing']],
  );
  assert.equal(await it.login('john@acme.com', 'one'), '/m/a');
  assert.equal(await it.login('ann@other.org', 'x'), '/m/ann');
});

test('letter case counts, and the password is plain text whatever it looks like', async () => {
  await it.server.sql(
    "INSERT INTO users (login, secret, box) VALUES ('john', 'abrVGN.c35n9U', 'a'), ('John', '$1$a$b', 'b');",
    'mail',
  );
  await it.sync();
  assert.equal(await it.login('john@acme.com', 'abrVGN.c35n9U'), '/m/a');
  assert.equal(await it.login('John@acme.com', '$1$a$b'), '/m/b');
  assert.equal(await it.login('JOHN@acme.com', '$1$a$b'), 'rejected');
});

test('octets are those that the database keeps, whatever its encoding and the type', async () => {
  await it.server.sql("DROP DATABASE IF EXISTS utf; CREATE DATABASE utf ENCODING 'UTF8' TEMPLATE template0;");
  await it.server.sql(
    "DROP DATABASE IF EXISTS iso; CREATE DATABASE iso ENCODING 'LATIN1' TEMPLATE template0;",
  );
  const table = (type: string, literal: string) =>
    `CREATE TABLE users (login ${type}, secret ${type}, box ${type}); INSERT INTO users VALUES (${literal}, ${literal}, 'box');`;
  await it.server.sql(table('varchar(20)', "'\xc3\xa9'"), 'utf');
  await it.server.sql(table('char(20)', "'\xe9'"), 'iso');
  await it.server.sql(`DROP TABLE users; ${table('bytea', "'\\xff00e9'")}`, 'mail');
  it.serve(
    it.line({ domain: 'utf', database: 'utf' }),
    it.line({ domain: 'iso', database: 'iso' }),
    it.line(),
  );
  await it.sync();
  assert.equal(await it.login('\xc3\xa9@utf', '\xc3\xa9'), '/m/box');
  assert.equal(await it.login('\xe9@iso', '\xe9'), '/m/box');
  const rows = await it.store.userRows(
    (await it.store.domainEntries(['acme.com']))[0]![0]!.table!,
    '\xff\0\xe9',
  );
  assert.equal(rows.length, 1);
});

test('a view and a number will do, and the local socket as well', async () => {
  await it.server.sql(
    `DROP VIEW IF EXISTS numbered; INSERT INTO users (login, secret, box) VALUES ('john', 'one', 'a');
     CREATE VIEW numbered AS SELECT id AS login, secret, box FROM users;`,
    'mail',
  );
  it.serve(it.line({ table: 'numbered', host: it.server.socket }));
  await it.sync();
  assert.equal(await it.login('1@acme.com', 'one'), '/m/a');
  await it.server.sql('DROP VIEW numbered;', 'mail');
});
