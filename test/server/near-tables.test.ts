import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secrets } from '../../src/config/secrets.ts';
import { createLog } from '../../src/ops/log.ts';
import { openNearTables } from '../../src/server/near-tables.ts';
import { good, withRest } from '../config/configs.ts';
import { waited } from '../support/clock.ts';
import { mailboxOf, nearSite } from '../support/near.ts';
import { pause } from '../support/ports.ts';
import { until } from '../support/process.ts';

// What was published is still there after a restart.
const it = nearSite(['--appendonly', 'yes', '--appendfsync', 'always']);

/** For Redis, in ms: more than a start takes. */
const TIMEOUT = 10_000;

/** As a proxy that starts, with the snapshot at `path`. */
function opened(path: string, port: number) {
  const { config } = good(
    withRest(`
tables: { source: redis, snapshot: ${path} }
redis: { port: ${port}, prefix: test, timeout: ${TIMEOUT}ms }
`),
  );
  const log = createLog({ level: 'error', write: () => {} });
  return openNearTables(config, new Secrets(null, new Map()), log);
}

/** A snapshot of generation 1, where john has another row since. */
async function behind(): Promise<string> {
  const path = `${it.site.path}/tables.snapshot`;
  const { events, close } = await it.open({ snapshot: { path } });
  await until('it is written', () => events.length > 0);
  await close();
  it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
  await it.sync();
  return path;
}

test('a proxy that starts with a snapshot and with Redis serves what is published from its first login on', async () => {
  const { store } = await opened(await behind(), it.server.port);
  assert.equal(await mailboxOf(store, 'john@acme.com'), 'moved');
  await store.close();
});

test('without Redis and without a snapshot it waits for Redis', async () => {
  await it.server.kill9();
  let started = false;
  const opening = opened(`${it.site.path}/tables.snapshot`, it.server.port).finally(() => {
    started = true;
  });
  await pause(300);
  assert.equal(started, false);
  await it.server.restart();
  const { store } = await opening;
  assert.equal(await mailboxOf(store, 'john@acme.com'), 'box');
  await store.close();
});

test('without Redis it starts at once, and serves the snapshot', async () => {
  const path = await behind();
  await it.server.kill9();
  const took = await waited(async () => {
    const { store } = await opened(path, it.server.port);
    assert.equal(await mailboxOf(store, 'john@acme.com'), 'box');
    await store.close();
  });
  assert.ok(took < TIMEOUT / 2, `${took} ms`);
});
