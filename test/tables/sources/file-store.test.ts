import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import { FileStore } from '../../../src/tables/sources/file-store.ts';
import { readSource, SourceUnreadable } from '../../../src/tables/sources/source-file.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { CHEAP, makeSite, type Site } from '../../support/site.ts';

let site: Site;

beforeEach(() => {
  site = makeSite('file-store');
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:10:\n');
  site.write('users', 'john:pw:box\njohn:other:second\n');
});

afterEach(() => site.remove());

async function rowsOf(store: FileStore, userid: string, domain = 'acme.com') {
  const [entries] = await store.domainEntries([domain]);
  return store.userRows(entries![0]!.table!, userid, entries![0]!.generation);
}

const codes = (store: FileStore) => store.diagnostics.map(({ code }) => code);

test('serves the files, passwords as they are', async () => {
  const store = await FileStore.open(site.files);
  assert.deepEqual(await rowsOf(store, 'john'), [
    { secret: '{PLAIN}pw', mailbox: 'box', line: 1 },
    { secret: '{PLAIN}other', mailbox: 'second', line: 2 },
  ]);
  assert.deepEqual(await rowsOf(store, 'jane'), []);
  assert.deepEqual(await store.domainEntries(['nowhere', 'default']), [[], []]);
  const { usable, domains, users } = store.status();
  assert.deepEqual({ usable, domains, users }, { usable: true, domains: 1, users: 1 });
  assert.deepEqual(codes(store), ['duplicate']);
});

test('a reload changes everything at one moment; a lookup that began before ends in its own tables', async () => {
  const store = await FileStore.open(site.files);
  const [began] = await store.domainEntries(['acme.com']);
  site.write('users', 'john:new:moved\n');
  await store.reload();
  const { table, generation } = began![0]!;
  assert.equal((await store.userRows(table!, 'john', generation))[0]!.secret, '{PLAIN}pw');
  assert.equal((await rowsOf(store, 'john'))[0]!.secret, '{PLAIN}new');
  await store.reload();
  await assert.rejects(async () => store.userRows(table!, 'john', generation), TablesUnavailable);
  await store.close();
});

test('a reload that fails leaves what is served, and the status tells', async () => {
  const store = await FileStore.open(site.files);
  rmSync(site.files.domainTable);
  execFileSync('mkfifo', [site.files.domainTable]);
  await assert.rejects(store.reload(), SourceUnreadable);
  assert.equal((await rowsOf(store, 'john')).length, 2);
  assert.match(store.status().detail, /the last reload failed: .*not-regular/);
  rmSync(site.files.domainTable);
  site.write('teapop.passwd', 'acme.com:*:reject\n');
  await store.reload();
  assert.doesNotMatch(store.status().detail, /failed/);
  await store.close();
});

for (const file of ['teapop.passwd', 'users']) {
  test(`a reload while ${file} is gone locks nobody out; the next one reads what is back`, async () => {
    const store = await FileStore.open(site.files);
    const text = readFileSync(`${site.path}/${file}`);
    rmSync(`${site.path}/${file}`);
    await assert.rejects(store.reload(), (error) => {
      assert.ok(error instanceof SourceUnreadable);
      return error.message.includes(file);
    });
    assert.equal((await rowsOf(store, 'john')).length, 2);
    site.write(file, text.toString('latin1').replaceAll('{dir}', site.path));
    await store.reload();
    assert.equal((await rowsOf(store, 'john')).length, 2);
  });
}

test('reloads at once end with the newest files', async () => {
  const store = await FileStore.open(site.files);
  const reloads = [store.reload()];
  site.write('users', 'john:newest:box\n');
  reloads.push(store.reload(), store.reload());
  await Promise.all(reloads);
  assert.equal((await rowsOf(store, 'john'))[0]!.secret, '{PLAIN}newest');
  await store.close();
});

test('without a domain table the implied entry is in force', async () => {
  rmSync(site.files.domainTable);
  const store = await FileStore.open({ ...site.files, spool: '/spool' });
  const [entries] = await store.domainEntries(['empty']);
  assert.deepEqual(
    entries!.map(({ type, maildir, localAddress }) => ({ type, maildir, localAddress })),
    [{ type: 'passwd', maildir: '/spool', localAddress: '*' }],
  );
  assert.deepEqual(codes(store), ['no-domain-table']);
});

for (const [fault, spoil] of [
  ['missing', (path: string) => rmSync(path)],
  ['linked', (path: string) => linkSync(path, `${path}-too`)],
  [
    'not-regular',
    (path: string) => {
      rmSync(path);
      execFileSync('mkfifo', [path]);
    },
  ],
] as const) {
  test(`nobody of a password file that is ${fault} logs in, and the report says so`, async () => {
    spoil(`${site.path}/users`);
    const store = await FileStore.open(site.files);
    assert.deepEqual(await rowsOf(store, 'john'), []);
    const [report] = store.diagnostics;
    assert.deepEqual(
      [report!.code, report!.file, report!.line],
      [`password-file-${fault}`, site.files.domainTable, 1],
    );
  });
}

test('a path of the domain table is octets', async () => {
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/\xfcsers:10:\n');
  symlinkSync(`${site.path}/users`, Buffer.from(`${site.path}/\xfcsers`, 'latin1'));
  const store = await FileStore.open(site.files);
  assert.equal((await rowsOf(store, 'john')).length, 2);
});

test('a hash that no password can match is reported without a part of it', async () => {
  site.write('teapop.passwd', 'acme.com:*:htpasswd:/m:0:mail:mail:{dir}/users:10:\n');
  site.write('users', 'john:abrVGN.c35n9U\njane:n0-hash\n');
  const { hashProblem } = createPasswordTools(CHEAP, null);
  const store = await FileStore.open({ ...site.files, hashProblem });
  assert.deepEqual(
    store.diagnostics.map(({ code, line }) => ({ code, line })),
    [{ code: 'unusable-hash', line: 2 }],
  );
  assert.doesNotMatch(JSON.stringify(store.diagnostics), /n0-hash/);
});

test('names in localip are resolved once each; one that has no address matches nothing', async () => {
  const line = (name: string) => `acme.com:${name}:textfile:/m:0:mail:mail:{dir}/users:10:\n`;
  site.write('teapop.passwd', line('mail.test') + line('mail.test') + line('gone.test') + line('127.0.0.9'));
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return name === 'mail.test' ? '192.0.2.1' : null;
  };
  const store = await FileStore.open({ ...site.files, resolve });
  const [entries] = await store.domainEntries(['acme.com']);
  assert.deepEqual(
    entries!.map(({ localAddress }) => localAddress),
    ['192.0.2.1', '192.0.2.1', '', '127.0.0.9'],
  );
  assert.deepEqual(asked.toSorted(), ['gone.test', 'mail.test']);
  assert.ok(codes(store).includes('unresolved-localip'));
  await assert.rejects(
    FileStore.open({
      ...site.files,
      resolve: () => Promise.reject(new SourceUnreadable('resolver is down')),
    }),
    SourceUnreadable,
  );
});

test("uid and gid names count where they are in the mailstore's files", async () => {
  const accounts = {
    passwd: site.write('passwd', 'mail:x:8:8::/:\n'),
    group: site.write('group', 'mail:x:8:\n'),
  };
  const line = (uid: string) => `${uid}.com:*:textfile:/m:0:${uid}:mail:{dir}/users:10:\n`;
  site.write('teapop.passwd', line('mail') + line('nobody') + line('8') + line('9'));
  const store = await FileStore.open({ ...site.files, accounts });
  const entries = (await store.domainEntries(['mail.com', 'nobody.com', '8.com', '9.com'])).flat();
  assert.deepEqual(
    entries.map(({ lockedOut }) => lockedOut === null),
    [true, false, true, false],
  );
  rmSync(accounts.group);
  await assert.rejects(FileStore.open({ ...site.files, accounts }), SourceUnreadable);
});

test('a file that is written to while it is read is not taken', async () => {
  const path = site.write('big', 'x'.repeat(200_000));
  const append = () => void site.write('big', 'y'.repeat(200_001));
  await assert.rejects(readSource(path, 'any', append), /written to while it was read/);
});

test('a file comes in chunks, whole', async () => {
  const text = Array.from({ length: 200_000 }, (_, i) => String.fromCharCode(i % 256)).join('');
  let read = '';
  let chunks = 0;
  const fault = await readSource(site.write('big', text), 'one', (octets) => {
    read += Buffer.from(octets).toString('latin1');
    chunks++;
  });
  assert.equal(fault, null);
  assert.ok(read === text && chunks > 1);
});
