import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { merged, type Snapshot } from '../../src/ops/families.ts';
import { createMetrics, type States } from '../../src/ops/metrics.ts';
import { WorkerTotals } from '../../src/server/worker-totals.ts';
import { total } from '../support/exposition.ts';

function metrics(states: Partial<States> = {}) {
  return createMetrics({
    listeners: ['pop3'],
    upstreams: ['mailstore'],
    servers: [{ upstream: 'mailstore', server: 'one' }],
    version: '1.2.3',
    states: {
      tables: () => ({ ageSeconds: 1, domains: 3, users: 40, usable: true }),
      redisUp: () => true,
      verifier: () => ({
        running: 1,
        memory: 100,
        waiting: { known: 0, familiar: 0, clean: 0, doubtful: 2 },
      }),
      logLinesDropped: () => 0,
      ...states,
    },
  });
}

/** As it comes from another process. */
const sent = async (subject: { snapshot(): Promise<Snapshot> }): Promise<Snapshot> =>
  JSON.parse(JSON.stringify(await subject.snapshot()));

describe('the metrics of several processes', () => {
  test('of one are what it says itself', async () => {
    const subject = metrics();
    subject.login('accepted', 'none');
    subject.verify(0.03);
    const text = await merged([await sent(subject)]).text();
    const still = (exposition: string) =>
      exposition
        .split('\n')
        .filter((line) => !/process_|^$/.test(line))
        .sort();
    assert.deepEqual(still(text), still(await subject.text()));
  });

  test('are added up, counts and histograms and what there is now', async () => {
    const [one, two] = [metrics(), metrics()];
    for (const subject of [one, one, two]) subject.login('rejected', 'wrong-password');
    one.phase(null, 'authorization');
    two.phase(null, 'authorization');
    one.lookup(0.0004);
    two.lookup(0.04);
    const text = await merged([await sent(one), await sent(two)]).text();
    const of = (name: string, labels: Record<string, string> = {}) =>
      total(text, `teapop_proxy_${name}`, labels);
    assert.equal(of('logins_total', { reason: 'wrong-password' }), 3);
    assert.equal(of('sessions', { phase: 'authorization' }), 2);
    assert.equal(of('lookup_seconds_count'), 2);
    assert.equal(of('lookup_seconds_bucket', { le: '0.0005' }), 1);
    assert.equal(of('verify_queue_length', { rank: 'doubtful' }), 4);
    assert.equal(of('verify_memory_bytes'), 200);
  });

  test('but for what is the same for all, or as bad as for the worst of them', async () => {
    const old = { ageSeconds: 9, domains: 3, users: 40, usable: false };
    const [one, two] = [metrics(), metrics({ tables: () => old, redisUp: () => false })];
    two.serverUp('mailstore', 'one', false);
    const text = await merged([await sent(one), await sent(two)]).text();
    const of = (name: string) => total(text, `teapop_proxy_${name}`);
    assert.deepEqual([of('tables_users'), of('tables_domains'), of('tables_age_seconds')], [40, 3, 9]);
    assert.deepEqual([of('tables_usable'), of('redis_up'), of('build_info')], [0, 0, 1]);
    assert.equal(of('upstream_server_up'), 1, 'down is what is down for all');
  });
});

test('what a process that is gone has counted stays, what it had is gone', async () => {
  const totals = new WorkerTotals();
  const [one, two] = [metrics(), metrics()];
  const text = async (...subjects: (typeof one)[]) =>
    totals.text(await Promise.all(subjects.map((subject) => sent(subject))));
  for (const subject of [one, one, two]) {
    subject.login('accepted', 'none');
    subject.verify(0.1);
    subject.connectionOpened('pop3');
  }
  const counts = (exposition: string) => [
    total(exposition, 'teapop_proxy_logins_total'),
    total(exposition, 'teapop_proxy_verify_seconds_count'),
    total(exposition, 'teapop_proxy_connections'),
  ];
  assert.deepEqual(counts(await text(one, two)), [3, 3, 3]);
  totals.keep(await sent(one));
  assert.deepEqual(counts(await text(two)), [3, 3, 1]);
  const three = metrics();
  three.login('accepted', 'none');
  assert.deepEqual(counts(await text(two, three)), [4, 3, 1]);
  // Both at the same moment.
  for (const last of [await sent(two), await sent(three)]) totals.keep(last);
  assert.deepEqual(counts(await text(metrics())), [4, 3, 0]);
});
