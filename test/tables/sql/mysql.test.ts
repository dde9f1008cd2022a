import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMysql } from '../../../src/tables/sql/mysql.ts';
import { startMariadb } from '../../support/mariadb.ts';
import { READER } from '../../support/sql-site.ts';
import { conforms } from './conformance.ts';

const CREATE = `DROP TABLE IF EXISTS users;
  CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, login varchar(300), secret varchar(300), box varchar(1000),
    active tinyint NOT NULL DEFAULT 1);`;
/** Of 'secret'. */
const DES = 'abNANd1rDfiNc';
/** Of 'j04n4CmE'. */
const MD5 = '$1$deadbeef$2bslkn8skOFFmF1RbsD5W1';
/** As long, and no hash: none ends so. */
const LIKE_DES = 'abNANd1rDfiNd';

const it = conforms({
  dialect: 'mysql',
  start: () => startMariadb(),
  read: readMysql,
  prepare: (server) =>
    server.sql(
      `CREATE DATABASE mail; CREATE USER ${READER.user}@'%' IDENTIFIED BY '${READER.password}';
       GRANT SELECT ON mail.* TO ${READER.user}@'%';`,
    ),
  create: CREATE,
  literal: (octets) => `x'${Buffer.from(octets, 'latin1').toString('hex')}'`,
  many: (count, octets) =>
    `TRUNCATE users; INSERT INTO users (login, secret, box)
     SELECT CONCAT('u', seq), CONCAT('p', seq), CONCAT(seq, 'x', REPEAT('y', ${octets})) FROM seq_1_to_${count};`,
});

const insert = (values: string) =>
  it.server.sql(`INSERT INTO users (login, secret, box) VALUES ${values};`, 'mail');

test('only rows that are active count, where the table tells them', async () => {
  await insert("('john', 'one', 'a'), ('jane', 'two', 'b')");
  await it.server.sql("UPDATE users SET active = 0 WHERE login = 'jane';", 'mail');
  assert.deepEqual((await it.sync()).diagnostics, []);
  assert.equal(await it.login('john@acme.com', 'one'), '/m/a');
  assert.equal(await it.login('jane@acme.com', 'two'), 'rejected');
  await it.server.sql('ALTER TABLE users DROP active;', 'mail');
  const { diagnostics } = await it.sync();
  assert.deepEqual(
    diagnostics.map(({ severity, line, code }) => [severity, line, code]),
    [['warning', 1, 'no-active-column']],
  );
  assert.equal(await it.login('jane@acme.com', 'two'), '/m/b');
});

test("letter case and trailing spaces of a userid do not count, as in MySQL's comparison", async () => {
  await insert("('John', 'one', 'a'), ('jane ', 'two', ''), ('JANE', 'three', 'c')");
  const { diagnostics } = await it.sync();
  assert.deepEqual(
    diagnostics.map(({ code }) => code),
    ['duplicate'],
  );
  for (const user of ['john', 'John', 'JOHN']) {
    assert.equal(await it.login(`${user}@acme.com`, 'one'), '/m/a', user);
    assert.equal(await it.login(`${user}@acme.com`, 'ONE'), 'rejected', user);
  }
  assert.equal(await it.login('Jane@acme.com', 'two'), '/m/jane');
  assert.equal(await it.login('jane@acme.com', 'three'), 'rejected');
});

test('a password may be plain text or a hash; a $ hash opens nothing by itself', async () => {
  await insert(`('plain', 'secret', 'p'), ('des', '${DES}', 'd'), ('md5', '${MD5}', 'm'), ('odd', '$1$no hash', 'o'),
    ('thirteen', '${LIKE_DES}', 't')`);
  assert.equal((await it.sync()).report.hashed, 4, 'hashes stay as they are');
  assert.equal(await it.login('plain@acme.com', 'secret'), '/m/p');
  assert.equal(await it.login('des@acme.com', 'secret'), '/m/d');
  assert.equal(
    await it.login('des@acme.com', DES),
    '/m/d',
    'thirteen characters may be a password as they are',
  );
  assert.equal(await it.login('md5@acme.com', 'j04n4CmE'), '/m/m');
  assert.equal(await it.login('md5@acme.com', MD5), 'rejected');
  assert.equal(await it.login('odd@acme.com', '$1$no hash'), '/m/o');
  assert.equal(await it.login('thirteen@acme.com', LIKE_DES), '/m/t');
  for (const user of ['plain', 'des', 'md5', 'odd', 'thirteen']) {
    assert.equal(await it.login(`${user}@acme.com`, 'wrong'), 'rejected', user);
  }
  const { report } = await it.sync();
  assert.equal(report.published, false);
});

test('tables without transactions, columns filled up with NULs and the local socket will do', async () => {
  await it.server.sql(
    `${CREATE} ALTER TABLE users ENGINE = MyISAM, MODIFY secret binary(20), MODIFY box char(20);
     INSERT INTO users (login, secret, box) VALUES ('john', 'one', 'a');`,
    'mail',
  );
  it.serve(
    it.line({ host: it.server.socket }),
    it.line({
      domain: 'qualified',
      database: 'information_schema',
      table: 'mail.Users',
      columns: 'LOGIN:secret:',
    }),
    it.line({ domain: 'named', table: 'mail.users', columns: 'users.Login:`secret`:' }),
  );
  const { diagnostics } = await it.sync();
  assert.equal(await it.login('john@acme.com', 'one'), '/m/a');
  assert.equal(await it.login('john@named', 'one'), '/m/john');
  assert.deepEqual(
    diagnostics.map(({ line, code }) => [line, code]),
    [[2, 'database-missing']],
    'names of tables have letter case here',
  );
});
