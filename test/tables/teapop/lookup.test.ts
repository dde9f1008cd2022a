import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_DIVIDERS,
  domainKeys,
  type LookupOptions,
  type LookupStep,
  lookup,
  splitLogin,
} from '../../../src/tables/teapop/lookup.ts';
import type { TableStore } from '../../../src/tables/teapop/store.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { memoryTables } from '../../support/memory-tables.ts';

const HERE = '192.0.2.1';
const entry = (domain: string, localip = '*', file = 'users', uid = 'mail') =>
  `${domain}:${localip}:textfile:/mb:0:${uid}:mail:/${file}:10:\n`;
const tables = (domainTable: string | null, users = 'john:pw:johnacme\n') =>
  memoryTables({ domainTable, passwordFiles: { '/users': users, '/other': 'ann:pw:annacme\n' } });
const find = (store: TableStore, user: string, address = HERE, options?: LookupOptions) =>
  lookup(store, user, address, DEFAULT_DIVIDERS, options);

test('splits a login at its first divider', () => {
  const cases: [user: string, userid: string, domain: string | null, dividers?: string][] = [
    ['john@acme.com', 'john', 'acme.com'],
    ['john%Acme.com', 'john', 'Acme.com'],
    ['john@a@b.com', 'john', 'a@b.com'],
    ['john%a@b.com', 'john', 'a@b.com'],
    ['john@', 'john', null],
    ['john', 'john', null],
    ['@acme.com', '', 'acme.com'],
    ['', '', null],
    ['   ', '', null],
    [' john@acme.com  ', ' john', 'acme.com'],
    ['john@  ', 'john', null],
    ['john @acme.com', 'john ', 'acme.com'],
    ['john\t', 'john\t', null],
    ['john%acme.com', 'john%acme.com', null, '@'],
    ['john:acme.com', 'john', 'acme.com', '@:'],
    ['john@acme.com', 'john@acme.com', null, ''],
  ];
  for (const [user, userid, domain, dividers = DEFAULT_DIVIDERS] of cases) {
    assert.deepEqual(splitLogin(user, dividers), { userid, domain }, user);
  }
});

test('asks once for all that can decide', () => {
  assert.deepEqual(domainKeys({ userid: 'j', domain: 'Acme.COM\xc4' }), ['acme.com\xc4', 'default']);
  assert.deepEqual(domainKeys({ userid: 'j', domain: 'Default' }), ['default']);
  assert.deepEqual(domainKeys({ userid: 'j', domain: null }), ['empty', '', 'default']);
});

test('finds the rows, the entry and the login', async () => {
  const found = await find(tables(entry('acme.com'), 'john:a:1\njohn:b:2\nann:c:3\n'), 'john@ACME.com ');
  assert.ok(found.result === 'rows');
  assert.deepEqual(found.login, { userid: 'john', domain: 'ACME.com' });
  assert.equal(found.entry.domain, 'acme.com');
  assert.deepEqual(found.rows, [
    { secret: '{PLAIN}a', mailbox: '1', line: 1 },
    { secret: '{PLAIN}b', mailbox: '2', line: 2 },
  ]);
});

test('names each way of finding nothing', async () => {
  const store = tables(`b.example:*:reject:\n${entry('acme.com')}${entry('c.example', '*', 'users', '')}`);
  const reason = async (user: string) => {
    const found = await find(store, user);
    return found.result === 'none' ? [found.reason, found.entry?.domain] : found.result;
  };
  assert.deepEqual(await reason('john@x.example'), ['unknown-domain', undefined]);
  assert.deepEqual(await reason('john@b.example'), ['domain-rejected', 'b.example']);
  assert.deepEqual(await reason('john@c.example'), ['locked-out', 'c.example']);
  assert.deepEqual(await reason('ann@acme.com'), ['unknown-user', 'acme.com']);
});

test('leaves the password of a host account to the mailstore', async () => {
  const found = await find(tables(null), 'john');
  assert.ok(found.result === 'upstream');
  assert.equal(found.login.userid, 'john');
  assert.equal((await find(tables(null), 'john@acme.com')).result, 'none');
});

test('a uid of + wants the account named like the userid, where accounts are known', async () => {
  const store = tables(entry('acme.com', '*', 'users', '+'));
  const accounts = { hasUser: (name: string) => name === 'ann', hasGroup: () => true };
  assert.equal((await find(store, 'john@acme.com')).result, 'rows');
  const found = await find(store, 'john@acme.com', HERE, { accounts });
  assert.ok(found.result === 'none' && found.reason === 'locked-out');
  const passwd = tables('acme.com:*:passwd:/var/mail:0:\n');
  assert.equal((await find(passwd, 'john@acme.com', HERE, { accounts })).result, 'upstream');
});

test('matches localip against the address that the client connected to', async () => {
  const store = tables(entry('acme.com', '192.0.2.9', 'other') + entry('acme.com', HERE));
  assert.equal((await find(store, 'john@acme.com')).result, 'rows');
  assert.equal(
    (await find(store, 'john@acme.com', `::FFFF:${HERE}`)).result,
    'rows',
    'IPv4 on an IPv6 listener',
  );
  assert.equal((await find(store, 'ann@acme.com', '192.0.2.9')).result, 'rows');
  assert.equal((await find(store, 'john@acme.com', '2001:db8::1')).result, 'none');
  assert.equal((await find(store, 'john@acme.com', '')).result, 'none');
});

test('an entry whose localip did not resolve matches nothing, not even an unknown address', async () => {
  const store = tables(entry('acme.com', 'no-such-host'));
  for (const address of [HERE, '', '*', 'no-such-host']) {
    assert.equal((await find(store, 'john@acme.com', address)).result, 'none', address);
  }
});

test('explains each step to whoever asks', async () => {
  const steps: LookupStep[] = [];
  const store = tables(entry('acme.com', '192.0.2.9') + entry('default'));
  await find(store, 'john@acme.com', HERE, { trace: (step) => steps.push(step) });
  assert.deepEqual(steps.map(told), [
    'split john acme.com',
    'asked acme.com,default 1,1',
    'considered acme.com as domain false',
    'considered default as default true',
    'rows john 1',
  ]);
});

function told(step: LookupStep): string {
  switch (step.step) {
    case 'split':
      return `split ${step.login.userid} ${step.login.domain}`;
    case 'asked':
      return `asked ${step.domains} ${step.entries.map((entries) => entries.length)}`;
    case 'considered':
      return `considered ${step.entry.domain} as ${step.as} ${step.matches}`;
    case 'rows':
      return `rows ${step.userid} ${step.rows.length}`;
  }
}

test('hands the generation of the entry on, and asks the store twice at most', async () => {
  const base = tables(entry('acme.com'));
  const calls: unknown[] = [];
  const store: TableStore = {
    ...base,
    domainEntries: async (domains) => {
      calls.push(domains);
      return (await base.domainEntries(domains)).map((entries) =>
        entries.map((e) => ({ ...e, generation: 7 })),
      );
    },
    userRows: (table, userid, generation) => {
      calls.push([userid, generation]);
      return base.userRows(table, userid);
    },
  };
  await find(store, 'john@acme.com');
  assert.deepEqual(calls, [
    ['acme.com', 'default'],
    ['john', 7],
  ]);
});

test('a store that cannot be asked is no unknown user', async () => {
  const store: TableStore = {
    ...tables(entry('acme.com')),
    userRows: () => Promise.reject(new TablesUnavailable('gone')),
  };
  await assert.rejects(async () => find(store, 'john@acme.com'), TablesUnavailable);
});

test('splits a login of many spaces in no time', () => {
  const user = `john${' '.repeat(100_000)}x`;
  const start = process.cpuUsage();
  assert.equal(splitLogin(user, DEFAULT_DIVIDERS).userid, user);
  assert.ok(process.cpuUsage(start).user < 1_000_000);
});
