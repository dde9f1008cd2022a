import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnName, nameParts, quoteName } from '../../../src/tables/sql/names.ts';
import { parseDomainTable } from '../../../src/tables/teapop/domain-table.ts';
import type { SqlSource } from '../../../src/tables/teapop/model.ts';
import { sqlTableId, useridIn } from '../../../src/tables/teapop/table-id.ts';

const FILE = '/etc/teapop.passwd';
const PASSWORD = 's3cret';
const PLACE = `db.example.com:3306:mail:reader:${PASSWORD}:users:login:secret:box:`;
const LINE = `acme.com:10.0.0.1:MySQL:/m:2:johnacme:mail:${PLACE}`;

const parse = (line: string, sql = true) => parseDomainTable(`${line}\n`, FILE, { sql });
const codes = (line: string, sql?: boolean) => parse(line, sql).diagnostics.map(({ code }) => code);

test('a database line becomes an entry that a table decides', () => {
  const { entries, passwordFiles, diagnostics } = parse(LINE);
  assert.deepEqual(diagnostics, []);
  const [ref] = passwordFiles;
  assert.deepEqual(entries, [
    {
      ordinal: 0,
      line: 1,
      domain: 'acme.com',
      localAddress: '10.0.0.1',
      type: 'textfile',
      maildir: '/m',
      hashLevels: 2,
      uid: 'johnacme',
      gid: 'mail',
      table: ref!.id,
      lockedOut: null,
    },
  ]);
  const { password, ...source } = ref!.sql!;
  assert.deepEqual(source, {
    dialect: 'mysql',
    host: 'db.example.com',
    port: 3306,
    database: 'mail',
    user: 'reader',
    table: 'users',
    userColumn: 'login',
    passwordColumn: 'secret',
    mailColumn: 'box',
  });
  assert.equal(password(), PASSWORD);
  assert.equal(ref!.path, 'mysql://db.example.com:3306/mail/users');
});

test('host, port, database user, password and mailbox may be blank', () => {
  const blank = parse('acme.com:*:pgsql:/m:0:a:b::::::users:login:secret::');
  assert.deepEqual(blank.diagnostics, []);
  const { host, port, database, user, mailColumn } = blank.passwordFiles[0]!.sql!;
  assert.deepEqual([host, port, database, user, mailColumn], ['', null, '', '', '']);
  assert.equal(blank.passwordFiles[0]!.path, 'pgsql://localhost//users');
});

test('each line that teapop would drop or through which nobody gets in is told', () => {
  const place = (fields: Partial<Record<'port' | 'db' | 'table' | 'usercol' | 'passcol', string>>) => {
    const { port = '1', db = 'd', table = 't', usercol = 'u', passcol = 'p' } = fields;
    return `h:${port}:${db}:x:y:${table}:${usercol}:${passcol}:m:`;
  };
  const line = (type: string, rest: string, ids = 'a:b') => `acme.com:*:${type}:/m:0:${ids}:${rest}`;
  const cases: [line: string, code: string[], entries: number][] = [
    [line('mysql', place({}).slice(0, -1)), ['missing-colon'], 0],
    [line('pgsql', 'h:1:d:x:y:t:u:p:'), ['missing-colon'], 0],
    [line('oracle', place({})), ['foreign-type'], 0],
    [line('mysql', place({ db: '' })), ['blank-db'], 1],
    [line('pgsql', place({ db: '' })), [], 1],
    [line('mysql', place({ table: ' ' })), ['blank-table'], 1],
    [line('mysql', place({ usercol: '', passcol: '' })), ['blank-usercol', 'blank-passcol'], 1],
    [line('pgsql', place({ port: 'abc' })), ['bad-port'], 1],
    [line('pgsql', place({ port: '70000' })), ['bad-port'], 1],
    [line('pgsql', place({ port: '0' })), ['bad-port'], 1],
    [line('mysql', place({ port: 'abc' })), [], 1],
    [line('mysql', place({ port: '70000' })), ['bad-port'], 1],
    [line('mysql', place({}), ':'), ['blank-uid', 'blank-gid'], 1],
  ];
  for (const [text, expected, count] of cases) {
    const { entries, passwordFiles, diagnostics } = parse(text);
    assert.deepEqual([diagnostics.map(({ code }) => code), entries.length], [expected, count], text);
    assert.equal(passwordFiles.length, count - Math.min(expected.length, count), text);
    assert.equal(entries[0]?.lockedOut != null, count === 1 && expected.length > 0, text);
  }
});

test('to a build without databases they are invalid', () => {
  const { entries, diagnostics } = parse(LINE, false);
  assert.deepEqual(entries, []);
  assert.deepEqual(codes(LINE, false), ['foreign-type']);
  assert.match(diagnostics[0]!.cure, /tables\.sql/);
});

test('wherever a line ends, no report and no source shows its password', () => {
  for (let length = 1; length <= LINE.length; length++) {
    for (const ending of ['\n', '', '\0\n', '#\n']) {
      const shown = parseDomainTable(LINE.slice(0, length) + ending, FILE, { sql: true });
      assert.ok(!JSON.stringify(shown).includes(PASSWORD), LINE.slice(0, length));
    }
  }
});

test('one table of a database has one id, whatever its password', () => {
  const other = LINE.replace('acme.com', 'other.org').replace(PASSWORD, 'changed');
  const { entries, passwordFiles } = parse(`${LINE}\n${other}`);
  assert.equal(passwordFiles.length, 1);
  assert.equal(entries[0]!.table, entries[1]!.table);
  const sql = passwordFiles[0]!.sql!;
  const changes: Partial<SqlSource>[] = [
    { dialect: 'pgsql' },
    { host: 'x' },
    { port: 1 },
    { port: null },
    { database: 'x' },
    { user: 'x' },
    { table: 'x' },
    { userColumn: 'x' },
    { passwordColumn: 'x' },
    { mailColumn: '' },
  ];
  const ids = new Set(changes.map((change) => sqlTableId({ ...sql, ...change })));
  assert.equal(ids.size, changes.length);
  assert.ok(!ids.has(sqlTableId(sql)));
});

test('a userid has letter case in PostgreSQL and in files, in MySQL it has none', () => {
  const [mysql, pgsql] = ['mysql', 'pgsql'].map(
    (type) => parse(LINE.replace('MySQL', type)).passwordFiles[0]!.id,
  );
  const file = parse('acme.com:*:htpasswd:/m:0:a:b:/p:9:').passwordFiles[0]!.id;
  assert.equal(useridIn(mysql!, 'John \xc9 '), 'john \xc9');
  for (const id of [pgsql!, file, 'i'.repeat(32)]) assert.equal(useridIn(id, 'John '), 'John ');
});

test('names are read as their server reads them, and cannot leave their quotes', () => {
  const cases: [dialect: 'mysql' | 'pgsql', written: string, quoted: string][] = [
    ['pgsql', 'Users', '"users"'],
    ['pgsql', 'Mail.Users', '"mail"."users"'],
    ['pgsql', '"Mail"."a""b"', '"Mail"."a""b"'],
    ['pgsql', 'a b', '"a b"'],
    ['pgsql', 'x" FROM y', '"x"" FROM y"'],
    ['pgsql', '"x" y"', '"""x"" y"""'],
    ['pgsql', 'Users.', '"Users."'],
    ['pgsql', '\xc9', '"\xc9"'],
    ['mysql', 'Users', '`Users`'],
    ['mysql', '`Mail`.Users', '`Mail`.`Users`'],
    ['mysql', 'x` FROM y', '`x`` FROM y`'],
    ['mysql', 'x"y', '`x"y`'],
  ];
  for (const [dialect, written, quoted] of cases) {
    assert.equal(quoteName(dialect, nameParts(dialect, written)), quoted, written);
  }
  assert.equal(columnName('mysql', 'users.Login'), 'Login');
  assert.equal(columnName('pgsql', 'users.Login'), 'login');
});
