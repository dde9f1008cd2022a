import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedReads } from '../../../src/tables/near/shared-reads.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';

/** Reads that end when they are told to. */
function source() {
  const begun: { resolve(value: string): void; reject(error: Error): void }[] = [];
  const read = () => new Promise<string>((resolve, reject) => begun.push({ resolve, reject }));
  return { begun, read };
}

test('who asks for the same while it is read gets the same answer', async () => {
  const { begun, read } = source();
  const reads = new SharedReads(() => 0);
  const asked = [reads.run('a', read), reads.run('a', read), reads.run('b', read)];
  assert.equal(begun.length, 2);
  begun[0]!.resolve('one');
  begun[1]!.resolve('two');
  assert.deepEqual(await Promise.all(asked), ['one', 'one', 'two']);
  assert.equal(reads.underWay, 0);
  void reads.run('a', read);
  assert.equal(begun.length, 3, 'an answer is not kept');
});

test('a failure is shared as well, and the next one reads anew', async () => {
  const { begun, read } = source();
  const reads = new SharedReads(() => 0);
  const asked = [reads.run('a', read), reads.run('a', read)];
  begun[0]!.reject(new Error('gone'));
  for (const each of asked) await assert.rejects(each, /gone/);
  const again = reads.run('a', read);
  begun[1]!.resolve('back');
  assert.equal(await again, 'back');
});

test('nobody joins a read that was begun too long ago', async () => {
  let now = 0;
  const { begun, read } = source();
  const reads = new SharedReads(() => now);
  const old = reads.run('a', read);
  now = 251;
  const fresh = reads.run('a', read);
  const joined = reads.run('a', read);
  assert.equal(begun.length, 2);
  begun[0]!.resolve('old');
  assert.equal(await old, 'old');
  const late = reads.run('a', read);
  assert.equal(begun.length, 2, 'the newer one is still joined when the older has ended');
  begun[1]!.resolve('fresh');
  assert.deepEqual(await Promise.all([fresh, joined, late]), ['fresh', 'fresh', 'fresh']);
});

test('beyond the bound none is begun, but those under way are joined', async () => {
  const { begun, read } = source();
  const reads = new SharedReads(() => 0, 2);
  const asked = [reads.run('a', read), reads.run('b', read)];
  await assert.rejects(reads.run('c', read), TablesUnavailable);
  const joined = reads.run('a', read);
  begun[0]!.resolve('one');
  begun[1]!.resolve('two');
  assert.deepEqual(await Promise.all([...asked, joined]), ['one', 'two', 'one']);
  const after = reads.run('c', read);
  begun[2]!.resolve('three');
  assert.equal(await after, 'three');
});
