import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NearRows } from '../../../src/tables/near/rows.ts';
import type { DomainEntry, UserRow } from '../../../src/tables/teapop/model.ts';

const BOUNDS = { rows: 10, octets: 100_000, unknown: 10 };
const entry = (domain: string, generation: number): DomainEntry => {
  const place = { ordinal: 0, line: 1, domain, localAddress: '*', type: 'textfile' as const };
  return { ...place, maildir: '', hashLevels: 0, uid: '', gid: '', table: 't', generation, lockedOut: null };
};
const row = (mailbox: string): UserRow => ({ secret: '{PLAIN}x', mailbox, line: 1 });

test('known, unknown and never heard of are three things', () => {
  const near = new NearRows(BOUNDS);
  near.keepUsers('t', 'john', [row('box')]);
  near.keepUsers('t', 'nobody', []);
  near.keepEntries('acme.com', [entry('acme.com', 1)]);
  near.keepEntries('nowhere.com', []);
  assert.equal(near.users('t', 'john')?.[0]?.mailbox, 'box');
  assert.deepEqual(near.users('t', 'nobody'), []);
  assert.equal(near.users('t', 'jane'), undefined);
  assert.equal(near.users('acme.com', ''), undefined);
  assert.equal(near.entries('acme.com', 1)?.length, 1);
  assert.deepEqual(near.entries('nowhere.com', 1), []);
  assert.equal(near.entries('other.com', 1), undefined);
  assert.deepEqual([near.hot, near.unknown], [2, 2]);
});

test('who becomes known is unknown no more, nor the other way round', () => {
  const near = new NearRows(BOUNDS);
  near.keepUsers('t', 'john', []);
  near.keepUsers('t', 'john', [row('box')]);
  assert.deepEqual([near.hot, near.unknown], [1, 0]);
  near.keepUsers('t', 'john', []);
  assert.deepEqual([near.hot, near.unknown], [0, 1]);
  near.forgetUser('t', 'john');
  assert.equal(near.users('t', 'john'), undefined);
});

test('entries are renewed to the generation that is followed, once', () => {
  const near = new NearRows(BOUNDS);
  near.keepEntries('acme.com', [entry('acme.com', 1)]);
  const renewed = near.entries('acme.com', 5)!;
  assert.equal(renewed[0]!.generation, 5);
  assert.equal(near.entries('acme.com', 5), renewed, 'no login after the first makes objects');
});

test('what each login may ask for stays with the rows in use', () => {
  const near = new NearRows({ ...BOUNDS, unknown: 3 });
  for (const domain of ['', 'empty', 'default']) near.keepEntries(domain, []);
  for (let i = 0; i < 20; i++) near.keepEntries(`made-up-${i}.com`, []);
  for (const domain of ['', 'empty', 'default']) assert.deepEqual(near.entries(domain, 1), []);
  assert.equal(near.unknown, 3);
});

test('unknown names take no more room than they are given', () => {
  const near = new NearRows({ ...BOUNDS, unknown: 100 });
  near.keepUsers('t', 'x'.repeat(257), []);
  assert.equal(near.unknown, 0, 'no user has a name of that length');
  for (let i = 0; i < 1_000; i++) near.keepUsers(`t${i}`, `${i}`.padStart(256, 'x'), []);
  assert.equal(near.unknown, 100);
  assert.ok(near.octets <= 100 * 1024);
});

test('what changed is forgotten by name, by table, or all of it', () => {
  const near = new NearRows(BOUNDS);
  near.keepUsers('t', 'john', [row('box')]);
  near.keepUsers('t', 'jane', [row('jane')]);
  near.keepUsers('u', 'john', []);
  near.keepUsers('u', 'otto', [row('otto')]);
  near.keepEntries('acme.com', [entry('acme.com', 1)]);
  assert.equal(near.forget({ domains: ['other.com'], tables: new Map([['t', ['john', 'nobody']]]) }), 1);
  assert.equal(near.users('t', 'john'), undefined);
  assert.equal(near.users('t', 'jane')?.length, 1);
  assert.equal(near.forget({ domains: null, tables: new Map([['u', null]]) }), 3);
  assert.equal(near.entries('acme.com', 1), undefined);
  assert.equal(near.users('u', 'john'), undefined);
  assert.equal(near.clear(), 1);
  assert.equal(near.users('t', 'jane'), undefined);
});
