/** What the admin listener tells of a proxy at work, and that nothing of anybody's mail is in it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { QUEUE_RANKS } from '../../src/ops/login-metrics.ts';
import {
  CHECK_RESULTS,
  DIRECTIONS,
  END_REASONS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_SUCCESSES,
  LOGIN_REASONS,
  LOGIN_RESULTS,
  NOTICE_RESULTS,
  REFUSAL_REASONS,
  SPARE_EVENTS,
  UPSTREAM_FAILURES,
} from '../../src/ops/outcome.ts';
import { PHASES } from '../../src/ops/phase.ts';
import { LOOKUP_SOURCES } from '../../src/ops/table-metrics.ts';
import { samples, total } from '../support/exposition.ts';
import { until } from '../support/process.ts';
import { JANE, JOHN, LOCAL, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply, openClient, openSession } from '../support/site-clients.ts';

const MESSAGE = `Subject: counted\r\n\r\n${'x'.repeat(70)}\r\n`;

let site: RunningSite;

before(async () => {
  site = await startSite();
  site.dovecot!.deliver(JOHN.localUser, MESSAGE);
});
after(() => site.stop());

const metrics = async () => (await site.admin('/metrics')).body;

test('is alive and ready', async () => {
  assert.deepEqual(await site.admin('/livez'), { status: 200, body: 'alive\n' });
  assert.deepEqual(await site.admin('/readyz'), { status: 200, body: 'ready\n' });
});

test('knows the published tables', async () => {
  const text = await metrics();
  assert.equal(total(text, 'teapop_proxy_tables_usable'), 1);
  assert.equal(total(text, 'teapop_proxy_redis_up'), 1);
  assert.equal(total(text, 'teapop_proxy_tables_domains'), 5);
  assert.equal(total(text, 'teapop_proxy_tables_users'), 5);
  const age = total(text, 'teapop_proxy_tables_age_seconds');
  assert.ok(age > 0 && age < 60, `${age} s old`);
});

test('shows a session while it lasts, and what it moved', async () => {
  const session = await openSession(site, JOHN, 'pop3s');
  const now = await metrics();
  assert.equal(total(now, 'teapop_proxy_sessions', { phase: 'transaction' }), 1);
  assert.equal(total(now, 'teapop_proxy_connections', { listener: 'pop3s' }), 1);
  const toClient = { direction: 'to-client' };
  const moved = total(now, 'teapop_proxy_transferred_bytes_total', toClient);
  await session.ask('RETR 1');
  await session.multiLine();
  const later = total(await metrics(), 'teapop_proxy_transferred_bytes_total', toClient);
  assert.ok(later - moved >= MESSAGE.length, 'counted while the session lasts');
  await session.ask('QUIT');
  session.destroy();
  await until('its end', async () => total(await metrics(), 'teapop_proxy_connections') === 0);
  assert.equal(total(await metrics(), 'teapop_proxy_sessions'), 0);
});

test('counts each login by its result and reason', async () => {
  const before = await metrics();
  await loginReply(site, JANE);
  await loginReply(site, OTTO);
  await loginReply(site, { ...JOHN, password: 'wrong' });
  await loginReply(site, { ...JOHN, login: 'nobody@acme.com' });
  await loginReply(site, { ...JOHN, login: 'john@nowhere.test' });
  await loginReply(site, { ...JOHN, login: 'john@closed.test' });
  await loginReply(site, { ...LOCAL, password: 'wrong' });
  const after = await metrics();
  const counted = (labels: Record<string, string>) =>
    total(after, 'teapop_proxy_logins_total', labels) - total(before, 'teapop_proxy_logins_total', labels);
  const EXPECTED: Record<string, number> = {
    ...{ none: 2, 'wrong-password': 1, 'unknown-user': 1, 'unknown-domain': 1 },
    ...{ 'domain-rejected': 1, 'refused-by-upstream': 1 },
  };
  for (const [reason, count] of Object.entries(EXPECTED)) assert.equal(counted({ reason }), count, reason);
  assert.equal(counted({ result: 'accepted' }), 2);
  assert.equal(counted({ result: 'rejected' }), 5);
  assert.ok(total(after, 'teapop_proxy_upstream_login_seconds_count', { upstream: 'mailstore' }) >= 2);
  assert.ok(total(after, 'teapop_proxy_verify_seconds_sum') > 0);
});

const HANDSHAKES = [...HANDSHAKE_SUCCESSES, ...HANDSHAKE_FAILURES];

/** All that a label may say, by its name: words of the config and of the proxy's own lists. */
const VALUES: Record<string, readonly string[] | RegExp> = {
  listener: ['pop3', 'pop3s', 'plain', 'second'],
  upstream: ['mailstore'],
  server: ['mailstore'],
  phase: PHASES,
  result: [...LOGIN_RESULTS, ...NOTICE_RESULTS, ...HANDSHAKES, ...CHECK_RESULTS],
  reason: [...Object.values(LOGIN_REASONS).flat(), ...END_REASONS, ...UPSTREAM_FAILURES, ...REFUSAL_REASONS],
  direction: DIRECTIONS,
  source: LOOKUP_SOURCES,
  rank: QUEUE_RANKS,
  event: SPARE_EVENTS,
  runtime: ['bun', 'node'],
  // Of TLS, of the proxy, of the runtime, and a histogram's bounds.
  version: /^(TLSv1(\.[123])?|none|\d+\.\d+\.\d+)$/,
  runtime_version: /^v?\d+\.\d+\.\d+$/,
  le: /^(\+Inf|[\d.e-]+)$/,
};

function isKnown(label: string, value: string): boolean {
  const known = VALUES[label];
  return known instanceof RegExp ? known.test(value) : (known?.includes(value) ?? false);
}

test('no label tells of a user, a domain or an address, however many there are', async () => {
  const knock = async (round: number) => {
    const client = await openClient(site);
    client.send(`USER user${round}@domain${round}.test\r\nPASS pass${round}\r\n`);
    client.send(`VERB${round} argument\r\nAUTH MECH${round}\r\nQUIT\r\n`);
    await client.rest();
    client.destroy();
  };
  await knock(0);
  await site.proxy.sessionsOf('user0@domain0.test');
  const series = (text: string) => samples(text).map(({ name, labels }) => name + JSON.stringify(labels));
  const before = series(await metrics());
  await Promise.all(Array.from({ length: 30 }, (_, index) => knock(index + 1)));
  await site.proxy.sessionsOf('user30@domain30.test');
  const text = await metrics();
  assert.deepEqual(series(text), before, 'strangers add no series');
  assert.doesNotMatch(text, /john|jane|otto|acme|domain\d|user\d|VERB|MECH\d|127\.0\.0/i);
  for (const { name, labels } of samples(text)) {
    for (const [label, value] of Object.entries(labels))
      assert.ok(isKnown(label, value), `${name}: ${label}="${value}"`);
  }
});
