import assert from 'node:assert/strict';
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { SyncRefused } from '../../../src/tables/publish/loss.ts';
import type { PublishResult } from '../../../src/tables/publish/publication.ts';
import { compileDomains, readPasswordFile } from '../../../src/tables/sources/compile.ts';
import { type LoopEvent, type SyncLoopOptions, syncLoop } from '../../../src/tables/sync/sync-loop.ts';
import { waited } from '../../support/clock.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';
import { makeSite, type Site } from '../../support/site.ts';

const SETTLE = 60;
/** So long that no test sees one. */
const NEVER = 3_600_000;

let site: Site;
let stopping: AbortController;
let running: Promise<void> | null;
let events: LoopEvent[];
/** What each sync read: all rows of all files, as `userid:password`. */
let read: string[][];
let failing: Error | null;

beforeEach(() => {
  site = makeSite('loop');
  stopping = new AbortController();
  events = [];
  read = [];
  failing = null;
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:100000:\n');
  site.write('users', 'john:one:b\n');
});
afterEach(async () => {
  stopping.abort();
  await running;
  site.remove();
});

type Hooks = Parameters<SyncLoopOptions['sync']>[0];

/** As syncTables, but that it publishes nowhere. */
async function sync({ onCompiled }: Pick<Hooks, 'onCompiled'>): Promise<PublishResult> {
  const compiled = await compileDomains(site.files);
  await onCompiled(compiled);
  if (failing !== null) throw failing;
  const found: string[] = [];
  for (const ref of compiled.passwordFiles) {
    const onRows = (rows: { userid: string; password?: string }[]) =>
      void found.push(...rows.map(({ userid, password }) => `${userid}:${password}`));
    await readPasswordFile({ domainTable: 'teapop.passwd' }, ref, { onRows });
  }
  read.push(found);
  return { report: {} as PublishResult['report'], diagnostics: [] };
}

/** Starts it; resolves after the first sync. */
async function start(options: Partial<SyncLoopOptions> = {}): Promise<void> {
  running = syncLoop({
    files: [site.files.domainTable],
    settle: SETTLE,
    resync: NEVER,
    sync,
    tell: (event) => void events.push(event),
    signal: stopping.signal,
    ...options,
  });
  await until('the first sync', () =>
    events.some(({ what }) => ['synced', 'failed', 'refused'].includes(what)),
  );
}

const reads = (row: string) => until(row, () => read.at(-1)?.includes(row) === true);

test('publishes at the start and with each change, however it comes', async () => {
  await start();
  assert.deepEqual(read, [['john:one']]);
  const users = `${site.path}/users`;
  writeFileSync(users, 'john:two:b\n');
  await reads('john:two');
  writeFileSync(`${users}.new`, 'john:three:b\n');
  renameSync(`${users}.new`, users);
  await reads('john:three');
  renameSync(users, `${users}~`);
  writeFileSync(users, 'john:four:b\n');
  await reads('john:four');
  site.write('more', 'jane:five:b\n');
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/more:100000:\n');
  await reads('jane:five');
  writeFileSync(`${site.path}/more`, 'jane:six:b\n');
  await reads('jane:six');
  const before = read.length;
  writeFileSync(users, 'john:seven:b\n');
  await pause(SETTLE * 4);
  assert.equal(read.length, before, 'a file that is named no more is not followed');
});

test('a file that is written slowly is read when it is whole', async () => {
  // Between two lines there may be much more time than there should be, and all of them take longer than this.
  await start({ settle: 1_000 });
  const file = openSync(`${site.path}/users`, 'w');
  for (let i = 0; i < 20; i++) {
    writeSync(file, `user${i}:pw:b\n`);
    await pause(100);
  }
  closeSync(file);
  await reads('user19:pw');
  assert.deepEqual(
    read.map((rows) => rows.length),
    [1, 20],
  );
});

test('a writer that rests in the middle of a line, or before the first, is waited for', async () => {
  await start();
  const file = openSync(`${site.path}/users`, 'w');
  await pause(SETTLE * 5);
  writeSync(file, 'john:two:b\njane:th');
  await pause(SETTLE * 5);
  writeSync(file, 'ree:b\n');
  closeSync(file);
  await reads('jane:three');
  assert.deepEqual(read, [['john:one'], ['john:two', 'jane:three']]);
});

test('a last line that stays without its end is waited for in vain', async () => {
  await start({ settle: 10 });
  writeFileSync(`${site.path}/users`, 'john:two:b\njane:three:b');
  await reads('john:two');
  assert.deepEqual(read.at(-1), ['john:two']);
});

test('two hundred files that change at once are few syncs', async () => {
  const settle = 300;
  const names = Array.from({ length: 200 }, (_, i) => `f${i}`);
  for (const name of names) site.write(name, `${name}:old:b\n`);
  const lines = names.map((name) => `${name}.org:*:textfile:/m:0:mail:mail:${site.path}/${name}:10:\n`);
  site.write('teapop.passwd', lines.join(''));
  await start({ settle });
  assert.equal(read.length, 1);
  for (const name of names) writeFileSync(`${site.path}/${name}`, `${name}:new:b\n`);
  await reads('f199:new');
  await pause(settle * 3);
  assert.ok(read.length <= 4, `${read.length} syncs`);
  assert.ok(read.at(-1)!.every((row) => row.endsWith(':new')));
});

test('what changes during a sync is published by the next', async () => {
  let release = () => {};
  const slow = async (hooks: Hooks) => {
    const result = await sync(hooks);
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return result;
  };
  const started = start({ sync: slow });
  await until('the sync has read', () => read.length === 1);
  writeFileSync(`${site.path}/users`, 'john:two:b\n');
  await pause(SETTLE * 2);
  assert.equal(read.length, 1);
  release();
  await started;
  await reads('john:two');
  release();
});

test('a sync that fails is tried again, later and later, and the change is not lost', async () => {
  failing = new Error('Redis is away');
  await start();
  writeFileSync(`${site.path}/users`, 'john:two:b\n');
  await until('a second try', () => events.filter(({ what }) => what === 'failed').length === 2);
  const failed = events.flatMap((event) => (event.what === 'failed' ? event : []));
  assert.equal(failed[0]!.detail, 'Redis is away');
  assert.ok(failed[0]!.retryIn >= 500 && failed[0]!.retryIn <= 1_000, `${failed[0]!.retryIn}`);
  assert.ok(failed[1]!.retryIn >= 1_000 && failed[1]!.retryIn <= 2_000, `${failed[1]!.retryIn}`);
  failing = null;
  await reads('john:two');
});

test('one that is refused waits for a change', async () => {
  failing = new SyncRefused('too much would be lost');
  await start();
  await pause(SETTLE * 5);
  assert.equal(events.filter(({ what }) => what === 'refused').length, 1);
  failing = null;
  writeFileSync(`${site.path}/users`, 'john:two:b\n');
  await reads('john:two');
});

test('no table ends it', async () => {
  await start();
  for (const bad of ['\0\0\0', 'nonsense\n', '', 'acme.com:*:textfile:/m:0:mail:mail:/nowhere/x:10:\n']) {
    const before = read.length;
    writeFileSync(site.files.domainTable, bad);
    await until(`a sync of ${JSON.stringify(bad)}`, () => read.length > before);
  }
  rmSync(site.files.domainTable);
  const before = read.length;
  await until('a sync without a domain table', () => read.length > before);
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:100000:\n');
  await reads('john:one');
});

test('reads all files every so often though nothing tells of a change', async () => {
  await start({ resync: 50 });
  await until('three more', () => read.length >= 4);
});

test('the signal ends it at once: while it waits, settles, retries or syncs', async () => {
  await start();
  stopping.abort();
  await running;

  for (const state of ['settling', 'retrying', 'syncing']) {
    stopping = new AbortController();
    events = [];
    failing = state === 'retrying' ? new Error('away') : null;
    const hanging = ({ signal }: Hooks) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const settle = state === 'settling' ? NEVER : SETTLE;
    const options = state === 'syncing' ? { sync: hanging } : { settle };
    void start(options).catch(() => {});
    await (state === 'retrying'
      ? until('a failure', () => events.some(({ what }) => what === 'failed'))
      : pause(SETTLE * 3));
    const took = await waited(async () => {
      stopping.abort();
      await running;
    });
    assert.ok(took < 200, `${state}: ${took} ms`);
    const failures = events.filter(({ what }) => what === 'failed').length;
    assert.equal(failures, state === 'retrying' ? 1 : 0, 'an end is no failure');
    // `start` waits for the end of a sync, and none is to come.
    events.push({ what: 'refused', detail: '', diagnostics: [] });
  }
});
