import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sqlFailure } from '../../../src/tables/sql/failure.ts';
import { MOST_OCTETS, octetsOf, type SqlRow, SqlRows } from '../../../src/tables/sql/rows.ts';
import type { SqlDialect, SqlSource } from '../../../src/tables/teapop/model.ts';

const PASSWORD = 's3cret';
const HASHES = new Set(['$1$whole', 'abNANd1rDfiNc', '_whole']);

function source(dialect: SqlDialect): SqlSource {
  return {
    ...{ dialect, host: 'db', port: null, database: 'mail', user: 'reader', password: () => PASSWORD },
    ...{ table: 'users', userColumn: 'login', passwordColumn: 'secret', mailColumn: 'box' },
  };
}

function read(dialect: SqlDialect, ...rows: SqlRow[]) {
  const id = '0'.repeat(32) + (dialect === 'mysql' ? 'i' : '');
  const hashProblem = (text: string) => (HASHES.has(text) ? null : 'no hash');
  const reader = new SqlRows({ id, path: 'x://y' }, source(dialect), { hashProblem });
  const kept = rows.flatMap((row) => reader.push([row]));
  const shown = kept.map((row) => [
    row.userid,
    row.type === 'textfile' ? row.password : `hash ${row.hash}`,
    row.mailbox,
  ]);
  return { shown, kept, end: reader.end() };
}

test('a mysql password is tried as what it may be, a pgsql password as it is', () => {
  const rows: SqlRow[] = [
    ['a', 'plain', ''],
    ['b', '$1$whole', ''],
    ['c', 'abNANd1rDfiNc', ''],
    ['d', '_whole', ''],
    ['e', '$1$half', ''],
  ];
  assert.deepEqual(
    read('mysql', ...rows).shown.map(([userid, stored]) => `${userid} ${stored}`),
    [
      'a plain',
      'b hash $1$whole',
      'c hash abNANd1rDfiNc',
      'c abNANd1rDfiNc',
      'd hash _whole',
      'd _whole',
      'e $1$half',
    ],
  );
  assert.deepEqual(
    read('pgsql', ...rows).shown.map(([, stored]) => stored),
    rows.map(([, stored]) => stored),
  );
});

test('a text ends at its first NUL, a userid does not', () => {
  const { shown } = read('mysql', ['a\0', 'pw\0\0', 'box\0x'], ['b', 'pw', '\0']);
  assert.deepEqual(shown, [
    ['a\0', 'pw', 'box'],
    ['b', 'pw', 'b'],
  ]);
});

test('what is longer than is read lets nobody in, nor does NULL', () => {
  const long = 'x'.repeat(MOST_OCTETS + 1);
  const most = 'y'.repeat(MOST_OCTETS);
  const { shown, end } = read(
    'pgsql',
    [null, 'pw', ''],
    ['a', long, ''],
    ['b', 'pw', long],
    ['c', null, ''],
    [long, 'pw', ''],
    [most, most, most],
  );
  assert.deepEqual(shown, [[most, most, most]]);
  assert.equal(end.lockedOut, 4);
  assert.deepEqual(
    end.diagnostics.map(({ code }) => code),
    ['too-long', 'too-long', 'null-password', 'too-long'],
  );
  assert.ok(!JSON.stringify(end.diagnostics).includes('pw'));
});

test('a userid that stands twice has the first row, were it one that lets nobody in', () => {
  const { shown, end } = read(
    'mysql',
    ['John', null, ''],
    ['john', 'pw', ''],
    ['JOHN ', 'pw', ''],
    ['jo', 'pw', ''],
  );
  assert.deepEqual(
    shown.map(([userid]) => userid),
    ['jo'],
  );
  assert.deepEqual(
    end.diagnostics.map(({ code }) => code),
    ['null-password', 'duplicate', 'duplicate'],
  );
});

test('other rows have other octets', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\x01', '\x02', '\xff'), maxLength: 4 });
  const row = fc.tuple(text, text, text);
  fc.assert(
    fc.property(fc.array(row, { maxLength: 3 }), fc.array(row, { maxLength: 3 }), (one, other) => {
      const octets = (rows: SqlRow[]) =>
        Buffer.from(octetsOf(read('pgsql', ...rows).kept)).toString('latin1');
      const same =
        JSON.stringify(read('pgsql', ...one).shown) === JSON.stringify(read('pgsql', ...other).shown);
      assert.equal(octets(one) === octets(other), same);
    }),
  );
});

test('a failure shows what the server said only before rows came, and never control characters', () => {
  const error = Object.assign(new Error('FATAL: \x1b[2J no\nsecond line'), { code: '57P03' });
  const before = sqlFailure(source('pgsql'), error, false);
  assert.match(
    before.message,
    /^pgsql database 'mail' at 'db': the server cannot be asked \(57P03: FATAL: \?\[2J no\)$/,
  );
  const behind = sqlFailure(source('pgsql'), error, true);
  assert.match(behind.message, /reading broke off \(57P03\)$/);
  assert.equal(sqlFailure(source('pgsql'), behind, false), behind);
});
