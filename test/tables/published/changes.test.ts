import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeList } from '../../../src/tables/published/changes.ts';

test('names are listed by table, and a table without any is listed all the same', () => {
  const list = new ChangeList(10);
  list.addDomains(['a', 'b']);
  list.addUsers('one', ['john']);
  list.addUsers('one', ['jane']);
  list.addUsers('two', []);
  assert.deepEqual(list.changes, {
    domains: ['a', 'b'],
    tables: new Map([
      ['one', ['john', 'jane']],
      ['two', []],
    ]),
  });
});

test('what finds no room counts as changed altogether, and leaves its room to others', () => {
  const list = new ChangeList(3);
  list.addUsers('one', ['a', 'b']);
  list.addUsers('one', ['c', 'd']);
  list.addUsers('two', ['e', 'f', 'g']);
  assert.ok(!list.hasRoomFor(1));
  list.addDomains(['h']);
  list.addUsers('one', ['i']);
  assert.deepEqual(list.changes, {
    domains: null,
    tables: new Map([
      ['one', null],
      ['two', ['e', 'f', 'g']],
    ]),
  });
  list.addAllUsers('two');
  assert.ok(list.hasRoomFor(3));
  assert.deepEqual(list.changes.tables.get('two'), null);
});

test('what cannot be listed counts as changed altogether', () => {
  const list = new ChangeList();
  list.addDomains(null);
  list.addDomains(['a']);
  list.addAllUsers('one');
  assert.deepEqual(list.changes, { domains: null, tables: new Map([['one', null]]) });
});
