import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, LEVELS, type SessionRecord } from '../../src/ops/log.ts';

const NOON = Date.UTC(2026, 10, 23, 12);

const RECORD: SessionRecord = {
  id: '7f3a',
  listener: 'pop3s',
  client: { address: '192.0.2.7', port: 50123 },
  local: { address: '198.51.100.1', port: 995 },
  via: { address: '203.0.113.5', port: 33000 },
  login: 'john@acme.com',
  authzid: null,
  mechanism: 'USER',
  localUser: 'johnacme',
  upstream: { name: 'mailstore', server: 'm1', address: '198.51.100.9', port: 110 },
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    certificate: { name: Buffer.from('Müller\n').toString('latin1'), fingerprint: 'AB:CD', fault: null },
  },
  result: 'accepted',
  reason: 'none',
  end: 'upstream-closed',
  command: 'PASS',
  attempts: 1,
  durations: { total: 812.34567, lookup: 0.5, verify: 24.25, upstreamConnect: 1, upstreamLogin: null },
  octets: { toClient: 4096, toUpstream: 61 },
};

/** A log into an array of batches, and its lines parsed. */
function logged(level: (typeof LEVELS)[number] = 'info') {
  const batches: string[] = [];
  const log = createLog({ level, write: (lines) => void batches.push(lines), clock: () => NOON });
  const lines = () => batches.flatMap((batch) => batch.trimEnd().split('\n')).map((line) => JSON.parse(line));
  return { log, batches, lines };
}

test('a session is one line with every field in its place', async () => {
  const { log, lines } = logged();
  log.session(RECORD);
  await log.flush();
  assert.deepEqual(lines(), [
    {
      time: '2026-11-23T12:00:00.000Z',
      level: 'info',
      event: 'session',
      id: '7f3a',
      listener: 'pop3s',
      client: { address: '192.0.2.7', port: 50123 },
      local: { address: '198.51.100.1', port: 995 },
      via: { address: '203.0.113.5', port: 33000 },
      login: 'john@acme.com',
      authzid: null,
      mechanism: 'USER',
      local_user: 'johnacme',
      upstream: { name: 'mailstore', server: 'm1', address: '198.51.100.9', port: 110 },
      tls: {
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        certificate: { name: 'Müller\\x0a', fingerprint: 'AB:CD', fault: null },
      },
      result: 'accepted',
      reason: 'none',
      end: 'upstream-closed',
      command: 'PASS',
      attempts: 1,
      durations: { total: 812.346, lookup: 0.5, verify: 24.25, upstream_connect: 1, upstream_login: null },
      octets: { to_client: 4096, to_upstream: 61 },
    },
  ]);
});

test('a session that came to nothing has nulls, whatever the one before it had', async () => {
  const { log, lines } = logged();
  log.session(RECORD);
  log.session({
    ...RECORD,
    via: null,
    login: null,
    localUser: null,
    upstream: null,
    tls: null,
    command: null,
  });
  await log.flush();
  const { via, login, local_user, upstream, tls, command } = lines()[1];
  assert.deepEqual([via, login, local_user, upstream, tls, command], [null, null, null, null, null, null]);
});

test('a login name can neither end nor forge a line', async () => {
  const { log, batches, lines } = logged();
  const login = 'x"}\r\n{"event":"session","result":"accepted"}\n';
  log.session({ ...RECORD, login, localUser: 'a\nb' });
  await log.flush();
  assert.equal(batches.join('').split('\n').length, 2);
  assert.equal(lines()[0].login, 'x"}\\x0d\\x0a{"event":"session","result":"accepted"}\\x0a');
  assert.equal(lines()[0].local_user, 'a\\x0ab');
});

test('what a record holds besides its fields is not logged', async () => {
  const { log, batches } = logged();
  const tainted = {
    ...RECORD,
    password: 'j04n4CmE',
    upstream: { ...RECORD.upstream!, password: 'j04n4CmE' },
  };
  log.session(tainted);
  await log.flush();
  assert.doesNotMatch(batches.join(''), /j04n4CmE|password/);
});

test('a command that is none of the known is not named', async () => {
  const { log, lines } = logged();
  log.session({ ...RECORD, command: 'j04n4CmE' as 'other' });
  await log.flush();
  assert.equal(lines()[0].command, 'other');
});

test('levels: each shows itself and what is worse; sessions are info', async () => {
  for (const [index, level] of LEVELS.entries()) {
    const { log, lines } = logged(level);
    for (const at of LEVELS) log.event(at, `an-${at}`);
    log.session(RECORD);
    await log.flush();
    const expected: string[] = LEVELS.slice(0, index + 1).map((at) => `an-${at}`);
    if (index >= LEVELS.indexOf('info')) expected.push('session');
    assert.deepEqual(
      lines().map((line) => line.event),
      expected,
    );
  }
});

test('events carry their fields, text made harmless', async () => {
  const { log, lines } = logged();
  log.event('warn', 'tables-unavailable', {
    detail: 'connect\nECONNREFUSED',
    port: 6379,
    tls: false,
    ca: null,
  });
  await log.flush();
  assert.deepEqual(lines()[0], {
    time: '2026-11-23T12:00:00.000Z',
    level: 'warn',
    event: 'tables-unavailable',
    detail: 'connect\\u{a}ECONNREFUSED',
    port: 6379,
    tls: false,
    ca: null,
  });
});

test('lines are gathered over turns of the loop and written at once, in order', async () => {
  const { log, batches, lines } = logged();
  for (let index = 0; index < 500; index += 1) {
    log.event('info', 'n', { index });
    if (index === 250) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(batches.length, 0);
  await log.flush();
  assert.equal(batches.length, 1);
  assert.deepEqual(
    lines().map((line) => line.index),
    Array.from({ length: 500 }, (_, index) => index),
  );
});

test('a line that stays alone is written all the same', async () => {
  const { log, batches } = logged();
  log.event('info', 'alone');
  while (batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  log.event('info', 'later');
  while (batches.length === 1) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('much at once does not wait for more', async () => {
  const { log, batches } = logged();
  log.event('info', 'small');
  const text = 'x'.repeat(1_000);
  for (let index = 0; index < 300; index += 1) log.event('info', 'much', { text });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(batches.length, 1);
});

test('flushNow writes without waiting, and each line once', async () => {
  const { log, lines } = logged();
  log.event('error', 'last-words');
  log.flushNow();
  assert.equal(lines().length, 1);
  await log.flush();
  assert.equal(lines().length, 1);
});

test('a reader that stands still costs lines, not memory, and the loss is told', async () => {
  const batches: string[] = [];
  let proceed = () => {};
  const stalled = new Promise<void>((resolve) => {
    proceed = resolve;
  });
  const log = createLog({
    level: 'info',
    write: (lines) => {
      batches.push(lines);
      return batches.length === 1 ? stalled : undefined;
    },
  });
  log.event('info', 'first');
  while (batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const text = 'x'.repeat(1_000);
  const count = 20_000;
  for (let index = 0; index < count; index += 1) log.event('info', 'more', { text });
  assert.ok(log.dropped > 0);
  proceed();
  await log.flush();
  assert.ok(batches[1]!.length <= 8 * 1024 * 1024 + 200, `${batches[1]!.length}`);
  const lines = batches[1]!.trimEnd().split('\n');
  const last = JSON.parse(lines.at(-1)!);
  assert.equal(last.event, 'log-lines-dropped');
  assert.equal(last.lines, log.dropped);
  assert.equal(lines.length - 1 + log.dropped, count);
  log.event('info', 'again');
  await log.flush();
  assert.equal(batches[2]!.split('\n').length, 2, 'a loss is told once');
});

test('a writer that fails loses its lines and nothing else', async () => {
  let broken = true;
  const written: string[] = [];
  const log = createLog({
    level: 'info',
    write: async (lines) => {
      if (broken) throw new Error('EPIPE');
      written.push(lines);
    },
  });
  log.event('info', 'lost');
  await log.flush();
  assert.equal(log.dropped, 1);
  broken = false;
  log.event('info', 'kept');
  await log.flush();
  assert.match(written.join(''), /"kept"[\s\S]*"log-lines-dropped","lines":1/);
});

test('of several processes each line tells which one wrote it', async () => {
  const batches: string[] = [];
  const log = createLog({
    level: 'info',
    worker: 2,
    write: (text) => void batches.push(text),
    clock: () => 0,
  });
  log.event('info', 'listening', { name: 'pop3' });
  await log.flush();
  assert.equal(
    batches.join(''),
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"listening","worker":2,"name":"pop3"}\n',
  );
});

test('no line is longer than what a pipe takes in one piece: its longest texts are cut', async () => {
  const { log, batches, lines } = logged();
  const long = 'ä'.repeat(1024);
  log.event('warn', 'table-diagnostic', { file: long, line: 7, reason: long, cure: long, code: 'short' });
  await log.flush();
  assert.ok(Buffer.byteLength(batches.join('')) <= 4096);
  const [{ file, line, reason, cure, code }] = lines();
  assert.deepEqual([line, code], [7, 'short']);
  for (const text of [file, reason, cure]) assert.match(text, /^ä{100,}…$/);
});

test('a line that fits is not touched', async () => {
  const { log, lines } = logged();
  const text = 'x'.repeat(1024);
  log.event('warn', 'upstream-failed', { one: text, two: text, three: text });
  await log.flush();
  assert.deepEqual([lines()[0].one, lines()[0].two, lines()[0].three], [text, text, text]);
});
