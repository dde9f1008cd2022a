import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, type States } from '../../src/ops/metrics.ts';
import { END_REASONS, LOGIN_REASONS, LOGIN_RESULTS } from '../../src/ops/outcome.ts';
import { PHASES } from '../../src/ops/phase.ts';
import { runtime } from '../../src/ops/process.ts';

const STATES: States = {
  tables: () => ({ ageSeconds: 12.5, domains: 3, users: 40, usable: true }),
  redisUp: () => true,
  verifier: () => ({ running: 2, memory: 0, waiting: { known: 7, familiar: 0, clean: 0, doubtful: 0 } }),
  logLinesDropped: () => 5,
};

function metrics(states: Partial<States> = {}) {
  return createMetrics({
    listeners: ['pop3', 'pop3s'],
    upstreams: ['mailstore', 'archive'],
    servers: [{ upstream: 'mailstore', server: 'm1' }],
    version: '1.2.3',
    states: { ...STATES, ...states },
  });
}

type Subject = { text(): Promise<string> };

/** The samples as name{labels} → value. */
async function samples(subject: Subject): Promise<Map<string, number>> {
  const lines = (await subject.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('everything is there from the start, at 0', async () => {
  const found = await samples(metrics());
  for (const result of LOGIN_RESULTS)
    for (const reason of LOGIN_REASONS[result])
      assert.equal(found.get(`teapop_proxy_logins_total{result="${result}",reason="${reason}"}`), 0);
  for (const reason of END_REASONS)
    assert.equal(found.get(`teapop_proxy_sessions_ended_total{reason="${reason}"}`), 0);
  assert.equal(found.get('teapop_proxy_upstream_login_seconds_count{upstream="archive"}'), 0);
  assert.equal(found.get('teapop_proxy_verify_seconds_count'), 0);
  assert.ok(![...found.keys()].some((name) => name.includes('"other"')));
});

test('names keep the rules: prefix, base units, _total for what only grows', async () => {
  const families = (await metrics().text()).matchAll(/^# TYPE (\S+) (\S+)$/gm);
  for (const [, name = '', type] of families) {
    assert.match(name, /^(teapop_proxy|process)_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
    assert.doesNotMatch(name, /milli|_ms|octets|minutes/);
  }
});

test('connections are counted by listener', async () => {
  const subject = metrics();
  subject.connectionOpened('pop3');
  subject.connectionOpened('pop3');
  subject.connectionClosed('pop3');
  subject.connectionRefused('pop3s', 'connection-limit');
  subject.connectionRefused('pop3', 'proxy-untrusted');
  subject.healthCheck('pop3');
  const found = await samples(subject);
  assert.equal(found.get('teapop_proxy_connections_accepted_total{listener="pop3"}'), 2);
  assert.equal(found.get('teapop_proxy_connections{listener="pop3"}'), 1);
  assert.equal(found.get('teapop_proxy_connections{listener="pop3s"}'), 0);
  assert.equal(
    found.get('teapop_proxy_connections_refused_total{listener="pop3s",reason="connection-limit"}'),
    1,
  );
  assert.equal(
    found.get('teapop_proxy_connections_refused_total{listener="pop3",reason="proxy-untrusted"}'),
    1,
  );
  assert.equal(found.get('teapop_proxy_health_checks_total{listener="pop3"}'), 1);
});

test('a session is in one phase at a time and in none at its end', async () => {
  const subject = metrics();
  const inPhase = async () => {
    const found = await samples(subject);
    return PHASES.filter((phase) => found.get(`teapop_proxy_sessions{phase="${phase}"}`) === 1);
  };
  subject.phase(null, 'authorization');
  assert.deepEqual(await inPhase(), ['authorization']);
  for (const [index, phase] of PHASES.entries()) {
    if (index > 0) subject.phase(PHASES[index - 1]!, phase);
    assert.deepEqual(await inPhase(), phase === 'closed' ? [] : [phase]);
  }
  assert.doesNotMatch(await subject.text(), /teapop_proxy_sessions\{phase="(closed|other)"/);
});

test('logins, ends, handshakes and upstream failures are counted by cause', async () => {
  const subject = metrics();
  subject.login('rejected', 'wrong-password');
  subject.sessionEnded('idle-timeout');
  subject.handshake('pop3', 'TLSv1.3', 'full');
  subject.handshake('pop3s', null, 'timeout');
  subject.upstreamFailed('archive', 'certificate');
  subject.upstreamTold('archive', 'not-offered');
  const found = await samples(subject);
  for (const name of [
    'teapop_proxy_logins_total{result="rejected",reason="wrong-password"}',
    'teapop_proxy_sessions_ended_total{reason="idle-timeout"}',
    'teapop_proxy_tls_handshakes_total{listener="pop3",version="TLSv1.3",result="full"}',
    'teapop_proxy_tls_handshakes_total{listener="pop3s",version="none",result="timeout"}',
    'teapop_proxy_upstream_failures_total{upstream="archive",reason="certificate"}',
    'teapop_proxy_upstream_xclient_total{upstream="archive",result="not-offered"}',
  ])
    assert.equal(found.get(name), 1, name);
});

test('octets add up by direction, and reading does not count them twice', async () => {
  const subject = metrics();
  subject.octets('to-client', 1_000);
  await subject.text();
  subject.octets('to-client', 24);
  subject.octets('to-upstream', 6);
  await subject.text();
  const found = await samples(subject);
  assert.equal(found.get('teapop_proxy_transferred_bytes_total{direction="to-client"}'), 1_024);
  assert.equal(found.get('teapop_proxy_transferred_bytes_total{direction="to-upstream"}'), 6);
});

test('durations land in their histograms, in seconds', async () => {
  const subject = metrics();
  subject.lookup(0.0004);
  subject.verify(0.03);
  subject.upstreamConnect('mailstore', 0.002);
  subject.upstreamLogin('archive', 3);
  subject.eventLoopLag(0.2);
  const found = await samples(subject);
  assert.equal(found.get('teapop_proxy_lookup_seconds_bucket{le="0.00025"}'), 0);
  assert.equal(found.get('teapop_proxy_lookup_seconds_bucket{le="0.0005"}'), 1);
  assert.equal(found.get('teapop_proxy_verify_seconds_sum'), 0.03);
  assert.equal(found.get('teapop_proxy_upstream_connect_seconds_count{upstream="mailstore"}'), 1);
  assert.equal(found.get('teapop_proxy_upstream_connect_seconds_count{upstream="archive"}'), 0);
  assert.equal(found.get('teapop_proxy_upstream_login_seconds_sum{upstream="archive"}'), 3);
  assert.equal(found.get('teapop_proxy_event_loop_lag_seconds_bucket{le="0.25"}'), 1);
});

test('nothing that comes in from outside becomes a label', async () => {
  const subject = metrics();
  const before = (await samples(subject)).size;
  for (let index = 0; index < 50; index += 1) {
    const strange = `strange-${index}"\n`;
    subject.connectionOpened(strange);
    subject.connectionRefused(strange, strange as 'draining');
    subject.login(strange as 'accepted', strange as 'none');
    subject.sessionEnded(strange as 'quit');
    subject.handshake(strange, strange, strange as 'full');
    subject.upstreamConnect(strange, 1);
    subject.upstreamFailed(strange, strange as 'refused');
    subject.octets(strange as 'to-client', 1);
  }
  const text = await subject.text();
  assert.doesNotMatch(text, /strange/);
  const found = await samples(subject);
  assert.equal(found.get('teapop_proxy_sessions_ended_total{reason="other"}'), 50);
  assert.equal(found.get('teapop_proxy_upstream_connect_seconds_count{upstream="other"}'), 50);
  // Seven counts and a gauge, and one histogram of 15 buckets, +Inf, sum and count.
  assert.equal(found.size - before, 8 + 18);
});

test("a configured name 'other' keeps one line", async () => {
  const subject = createMetrics({
    ...{ listeners: ['other'], upstreams: ['other'], servers: [] },
    ...{ version: '1', states: STATES },
  });
  subject.connectionOpened('other');
  subject.connectionOpened('unknown');
  const lines = (await subject.text()).match(/^teapop_proxy_connections\{.*$/gm);
  assert.deepEqual(lines, ['teapop_proxy_connections{listener="other"} 2']);
});

test('states are asked for on each reading', async () => {
  let usable = true;
  const subject = metrics({
    tables: () => ({ ageSeconds: 12.5, domains: 3, users: 40, usable }),
    redisUp: () => usable,
  });
  const read = async () => {
    const found = await samples(subject);
    return [
      'tables_usable',
      'redis_up',
      'tables_age_seconds',
      'tables_users',
      'verify_queue_length{rank="known"}',
    ].map((name) => found.get(`teapop_proxy_${name}`));
  };
  assert.deepEqual(await read(), [1, 1, 12.5, 40, 7]);
  usable = false;
  assert.deepEqual(await read(), [0, 0, 12.5, 40, 7]);
  const found = await samples(subject);
  assert.equal(found.get('teapop_proxy_verify_running'), 2);
  assert.equal(found.get('teapop_proxy_tables_domains'), 3);
  assert.equal(found.get('teapop_proxy_log_lines_dropped_total'), 5);
});

test('what is not known is left out, also after it was known', async () => {
  let known = true;
  const subject = metrics({
    tables: () => ({ ageSeconds: known ? 1 : null, domains: known ? 1 : null, users: null, usable: true }),
    redisUp: () => null,
  });
  assert.equal((await samples(subject)).get('teapop_proxy_tables_age_seconds'), 1);
  known = false;
  const found = await samples(subject);
  for (const name of ['tables_age_seconds', 'tables_domains', 'tables_users', 'redis_up'])
    assert.equal(found.has(`teapop_proxy_${name}`), false, name);
});

test('the build names version and runtime', async () => {
  const { name, version } = runtime();
  const found = await samples(metrics());
  const build = `teapop_proxy_build_info{version="1.2.3",runtime="${name}",runtime_version="${version}"}`;
  assert.equal(found.get(build), 1);
});

test('two sets of metrics do not share anything', async () => {
  const one = metrics();
  one.sessionEnded('quit');
  const found = await samples(metrics());
  assert.equal(found.get('teapop_proxy_sessions_ended_total{reason="quit"}'), 0);
});
