import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DirectStore } from '../../../src/tables/inspect/direct-store.ts';
import { FileStore } from '../../../src/tables/sources/file-store.ts';
import { SourceUnreadable } from '../../../src/tables/sources/source-file.ts';
import { diagnosticsOf } from '../../../src/tables/teapop/login-diagnostics.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { makeSite, type Site } from '../../support/site.ts';
import { decide, textsOf, type VectorSet } from '../../support/vectors.ts';

const OWN = fileURLToPath(new URL('../logins.json', import.meta.url));

let site: Site;
beforeEach(() => {
  site = makeSite('direct');
});
afterEach(() => site.remove());

test('decides as a store that has read all files does', async () => {
  const sets = JSON.parse(readFileSync(OWN, 'utf8')) as VectorSet[];
  let logins = 0;
  for (const [i, set] of sets.entries()) {
    const { domainTable, passwordFiles } = textsOf(set, `${site.path}/set${i}`);
    if (domainTable !== null) site.write(`set${i}/teapop.passwd`, domainTable);
    for (const [path, text] of Object.entries(passwordFiles))
      site.write(path.slice(site.path.length + 1), text);
    const options = { ...site.files, domainTable: `${site.path}/set${i}/teapop.passwd` };
    const [direct, whole] = [await DirectStore.open(options), await FileStore.open(options)];
    for (const login of set.logins) {
      assert.deepEqual(await decide(direct, set, login), await decide(whole, set, login), set.id);
      logins++;
    }
    await whole.close();
  }
  assert.ok(logins > 0);
});

test('reads nothing but the file that is asked for, and each time anew', async () => {
  site.write(
    'teapop.passwd',
    'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:10:\nb.com:*:textfile:/m:0:mail:mail:{dir}/b:10:\n',
  );
  site.write('users', 'john:one:box\njane:x:y\njohn:two:other\n');
  const store = await DirectStore.open(site.files);
  const [[entry], [other]] = (await store.domainEntries(['acme.com', 'b.com'])) as [[never], [never]];
  const { table } = entry as { table: string };
  assert.deepEqual(await store.userRows(table, 'john'), [
    { secret: '{PLAIN}one', mailbox: 'box', line: 1 },
    { secret: '{PLAIN}two', mailbox: 'other', line: 3 },
  ]);
  assert.equal(store.fileOf(table)?.path, `${site.path}/users`);
  site.write('users', 'john:new:box\n');
  assert.deepEqual(await store.userRows(table, 'jane'), []);
  assert.equal((await store.userRows(table, 'john'))[0]!.secret, '{PLAIN}new');
  assert.deepEqual(await store.userRows((other as { table: string }).table, 'john'), []);
  assert.match(store.diagnostics.at(-1)!.reason, /does not exist/);
  await assert.rejects(store.userRows('elsewhere', 'john'), TablesUnavailable);
});

test('a domain table that cannot be read is told', async () => {
  await assert.rejects(DirectStore.open({ ...site.files, domainTable: site.path }), SourceUnreadable);
});

describe('the diagnostics of a login', () => {
  const at = (file: string, line: number, code: string, reason: string) =>
    ({ severity: 'error', file, line, code, reason, cure: '' }) as const;
  const login = {
    ...{ domainTable: '/teapop.passwd', line: 3, domains: ['acme.com', 'default'] },
    ...{ passwordFile: '/users', userid: 'john' },
  };
  const cases: [boolean, ReturnType<typeof at>][] = [
    [true, at('/teapop.passwd', 1, 'missing-colon', "logins for 'ACME.com' are decided without it")],
    [true, at('/teapop.passwd', 2, 'unknown-type', "logins for 'default' are decided without it")],
    [true, at('/teapop.passwd', 3, 'bad-hash', "<hash> 'x' is taken as 0")],
    [false, at('/teapop.passwd', 4, 'missing-colon', "logins for 'other.com' are decided without it")],
    [true, at('/teapop.passwd', 0, 'no-domain-table', 'there is no such file')],
    [true, at('/users', 5, 'blank-line', 'a blank line ends the reading')],
    [true, at('/users', 6, 'past-end', "user 'john' cannot log in")],
    [false, at('/users', 7, 'past-end', "user 'jane' cannot log in")],
    [false, at('/users', 0, 'past-end', "and 20 more of 'past-end'")],
    [false, at('/other', 6, 'past-end', "user 'john' cannot log in")],
    [false, at('/other', 5, 'blank-line', 'a blank line ends the reading')],
  ];
  for (const [wanted, diagnostic] of cases) {
    test(`${wanted ? 'has' : 'leaves out'} ${diagnostic.file}:${diagnostic.line} ${diagnostic.code}`, () => {
      assert.equal(diagnosticsOf(login, [diagnostic]).length, wanted ? 1 : 0);
    });
  }

  test('without an entry, a domain or a user has nothing of others', () => {
    const none = { ...login, line: null, domains: [''], passwordFile: null, userid: '' };
    const others = cases.map(([, each]) => each).filter(({ code }) => code !== 'no-domain-table');
    assert.deepEqual(diagnosticsOf(none, others), []);
  });
});
