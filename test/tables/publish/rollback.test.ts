import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncRefused } from '../../../src/tables/publish/loss.ts';
import { rollBack } from '../../../src/tables/publish/rollback.ts';
import { DOMAIN_TABLE, publishing, USERS } from '../../support/publishing.ts';
import { dumpRedis } from '../../support/redis.ts';

const it = publishing();
const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SyncRefused && pattern.test(error.message);

/** Domain → userid → mailboxes, of all that a login can find; 'unknown' where the domain is. */
async function served(): Promise<unknown> {
  const found: Record<string, unknown> = {};
  for (const domain of ['acme.com', 'old.org', 'new.org', 'more.org']) {
    const [entries] = await it.store.domainEntries([domain]);
    if (entries!.length === 0) continue;
    const users: Record<string, string[]> = {};
    for (const user of ['john', 'jane', 'bob', 'eve']) {
      const rows = entries![0]!.table === null ? [] : await it.rowsOf(user, domain);
      if (rows.length > 0) users[user] = rows.map(({ secret, mailbox }) => `${mailbox} ${secret}`);
    }
    found[domain] = { type: entries![0]!.type, users };
  }
  return found;
}

test('brings back users, domains and tables that came, changed or went, as a new generation', async () => {
  await it.sync();
  const before = await served();
  it.site.write(
    'users',
    `${USERS.replace('secret-of-john', 'other').replace(/^bob.*\n/m, '')}eve:secret-of-eve:eve\n`,
  );
  it.site.write('new', 'eve:secret-of-eve:eve\n');
  const [acme] = DOMAIN_TABLE.split('\n');
  it.site.write(
    'teapop.passwd',
    `${acme}\nnew.org:*:textfile:/m:0:mail:mail:{dir}/new:100:\nmore.org:*:reject\n`,
  );
  await it.sync();
  const after = await served();
  assert.notDeepEqual(after, before);

  const report = await rollBack(it.link, 'test');
  assert.deepEqual(report, { generation: 3, before: 2, domains: 2, users: 4, tables: 2 });
  assert.deepEqual(await served(), before);
  await it.store.refresh();
  assert.deepEqual([it.store.status().domains, it.store.status().users], [2, 4]);

  await rollBack(it.link, 'test');
  assert.deepEqual(await served(), after, 'a second one undoes the first');
  await rollBack(it.link, 'test');
  assert.deepEqual(await served(), before);
});

test('brings back users alone where the domain table was the same', async () => {
  await it.sync();
  const before = await served();
  it.site.write('users', 'john:secret-of-john:box\n');
  await it.sync();
  assert.deepEqual(await rollBack(it.link, 'test'), {
    generation: 3,
    before: 2,
    domains: 2,
    users: 4,
    tables: 1,
  });
  assert.deepEqual(await served(), before);
});

test('brings back a domain table that named no password file, and then the one that did', async () => {
  it.site.write('teapop.passwd', 'more.org:*:reject\n');
  await it.sync();
  const before = await served();
  it.site.write('teapop.passwd', DOMAIN_TABLE);
  await it.sync({ force: true });
  const after = await served();
  const report = await rollBack(it.link, 'test');
  assert.deepEqual(report, { generation: 3, before: 2, domains: 1, users: 0, tables: 0 });
  assert.deepEqual(await served(), before);
  await rollBack(it.link, 'test');
  assert.deepEqual(await served(), after);
});

test('brings back domains alone where no password file had changed', async () => {
  await it.sync();
  const before = await served();
  it.site.write('teapop.passwd', `${DOMAIN_TABLE}more.org:*:reject\n`);
  await it.sync();
  assert.deepEqual(await rollBack(it.link, 'test'), {
    generation: 3,
    before: 2,
    domains: 2,
    users: 4,
    tables: 0,
  });
  assert.deepEqual(await served(), before);
});

test('the next sync publishes the files again, and hashes no password that it had', async () => {
  await it.sync();
  it.site.write('users', `${USERS}eve:secret-of-eve:eve\n`);
  await it.sync();
  await rollBack(it.link, 'test');
  assert.deepEqual(await it.rowsOf('eve'), []);
  const report = await it.sync();
  assert.deepEqual([report.generation, report.added, report.hashed], [4, 1, 1]);
  assert.equal((await it.rowsOf('eve')).length, 1);
  const mended = await it.sync();
  assert.equal(mended.published, false);
});

test('a lookup that began before it finds its rows', async () => {
  await it.sync();
  it.site.write('users', USERS.replace(':box', ':other'));
  await it.sync();
  const [entries] = await it.store.domainEntries(['acme.com']);
  await rollBack(it.link, 'test');
  const rows = await it.store.userRows(entries![0]!.table!, 'john', entries![0]!.generation);
  assert.equal(rows[0]!.mailbox, 'other');
  assert.equal((await it.rowsOf('john'))[0]!.mailbox, 'box');
});

test('without a generation before there is nothing to go back to, and nothing is touched', async () => {
  await assert.rejects(rollBack(it.link, 'test'), refused(/no tables are published/));
  await it.sync();
  const before = await dumpRedis(it.link);
  await assert.rejects(rollBack(it.link, 'test'), refused(/no generation before 1/));
  assert.equal(await dumpRedis(it.link), before);
});

test('a generation of which part is lost is not brought back', async () => {
  await it.sync();
  it.site.write('users', USERS.replace(':box', ':other'));
  it.site.write('teapop.passwd', `${DOMAIN_TABLE}more.org:*:reject\n`);
  await it.sync();
  const [table] = await it.keys('*{table-*:previous');
  await it.link.command('DEL', table!);
  const before = await dumpRedis(it.link);
  await assert.rejects(rollBack(it.link, 'test'), refused(/not whole/));
  assert.equal(await dumpRedis(it.link), before);
});

test('a rollback that fails at the switch leaves all as it was, and can be done again', async () => {
  await it.sync();
  const first = await served();
  it.site.write('users', USERS.replace(':box', ':other'));
  it.site.write('teapop.passwd', `${DOMAIN_TABLE}more.org:*:reject\n`);
  await it.sync();
  const before = await dumpRedis(it.link);
  // Another takes the claim the moment the first table is on its way.
  const thieving: typeof it.link = {
    ...it.link,
    command: async (...command) => {
      const reply = await it.link.command(...command);
      if (command[0] === 'HDEL') await it.link.command('SET', 'test:{domains}:sync', 'somebody else');
      return reply;
    },
  };
  await assert.rejects(rollBack(thieving, 'test'), /another sync/);
  await it.link.command('DEL', 'test:{domains}:sync', 'test:{domains}:begun');
  assert.equal(await dumpRedis(it.link), before);
  await rollBack(it.link, 'test');
  assert.deepEqual(await served(), first);
});

test('the change log says that everything may differ', async () => {
  await it.sync();
  it.site.write('users', USERS.replace(':box', ':other'));
  await it.sync();
  await rollBack(it.link, 'test');
  const [entries] = await it.store.domainEntries(['acme.com']);
  const logged = JSON.parse(String(await it.link.command('HGET', 'test:{domains}:changes', '3')));
  assert.equal(logged.domains, null);
  assert.deepEqual(logged.tables, { [entries![0]!.table!]: null });
});
