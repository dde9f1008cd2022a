import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepingOf } from '../../src/config/mechanisms.ts';
import { brief, errorsOf, good, onlyError, withRest } from './configs.ts';

/** The one thing wrong with a text, as `path message`, and its hint. */
function only(text: string): [string, string | null] {
  const { path, message, hint } = onlyError(withRest(text));
  return [`${path}: ${message}`, hint];
}

function warningsOf(text: string): string[] {
  return good(withRest(text)).warnings.map(
    ({ severity, path, message }) => `${severity} ${path}: ${message}`,
  );
}

const listeners = (...entries: string[]) =>
  `listeners:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`;
const upstreams = (...entries: string[]) =>
  `upstreams:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`;
const OPEN = 'tls: off, plaintext_auth: [10.0.0.0/8]';

test('a listener with TLS needs a certificate', () => {
  for (const tls of ['starttls', 'implicit']) {
    const [error, hint] = only(listeners(`name: a, port: 110, ${OPEN}`, `name: b, port: 995, tls: ${tls}`));
    assert.equal(error, 'listeners[1].tls: TLS needs a certificate');
    assert.match(hint ?? '', /tls\.certificates .* or write tls: off/);
  }
  good(withRest(`${listeners('name: b, port: 995')}tls: { certificates: [{ certificate: /a, key: /b }] }\n`));
});

test('names of listeners and of upstreams differ', () => {
  const [listener, hint] = only(listeners(`name: a, port: 1, ${OPEN}`, `name: a, port: 2, ${OPEN}`));
  assert.equal(listener, 'listeners[1].name: a name given twice');
  assert.match(hint ?? '', /listeners\[0\] has it already/);
  const [upstream] = only(
    upstreams('name: a, host: 127.0.0.1, port: 2', 'name: a, host: 127.0.0.1, port: 3'),
  );
  assert.equal(upstream, 'upstreams[1].name: a name given twice');
});

test('no address and port is taken twice, wildcards and the admin listener included', () => {
  const pairs: [string, string, boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['::', '127.0.0.1', true],
    ['127.0.0.1', '::', true],
    ['0.0.0.0', '127.0.0.1', true],
    ['0.0.0.0', '::1', false],
    ['::', '0.0.0.0', true],
    ['::1', '127.0.0.1', false],
  ];
  for (const [one, other, taken] of pairs) {
    const text = listeners(
      `name: a, address: "${one}", port: 9, ${OPEN}`,
      `name: b, address: "${other}", port: 9, ${OPEN}`,
    );
    if (taken)
      assert.equal(only(text)[0], 'listeners[1].port: an address and port given twice', `${one} ${other}`);
    else good(withRest(text));
  }
  good(withRest(listeners(`name: a, port: 0, ${OPEN}`, `name: b, port: 0, ${OPEN}`)));
  const [admin, hint] = only(`${listeners(`name: a, port: 9110, ${OPEN}`)}`);
  assert.equal(admin, 'admin.port: an address and port given twice');
  assert.equal(hint, 'listeners[0] listens there already: :: port 9110');
  good(withRest(`${listeners(`name: a, port: 9110, ${OPEN}`)}admin: off\n`));
});

test('without TLS, somebody must be allowed to log in', () => {
  for (const more of ['', ', plaintext_auth: never', ', plaintext_auth: []']) {
    const [error, hint] = only(listeners(`name: a, port: 1, tls: off${more}`));
    assert.equal(
      error,
      'listeners[0].plaintext_auth: nobody could log in: no TLS, and no plain login either',
      more,
    );
    assert.match(hint ?? '', /tls: starttls, or plaintext_auth: always/);
  }
});

test('a domain is sent to an upstream that there is', () => {
  const two = upstreams('name: old, host: 127.0.0.1, port: 2', 'name: other, host: 127.0.0.1, port: 3');
  good(withRest(`${two}tables: { domains: { acme.com: { upstream: other } } }\n`));
  const misspelt = only(`${two}tables: { domains: { acme.com: { upstream: othr } } }\n`);
  assert.deepEqual(misspelt, [
    'tables.domains["acme.com"].upstream: no upstream has this name',
    'did you mean other?',
  ]);
  const unknown = only(`${two}tables: { domains: { acme.com: { upstream: mailstore-7 } } }\n`);
  assert.equal(unknown[1], 'upstreams has old, other');
});

test('a domain is given once, letter case aside, and keeps its place in errors', () => {
  const { config } = good(withRest('tables: { domains: { ACME.com: { local_user: userid } } }\n'));
  assert.equal(config.tables.domains.get('acme.com')?.localUser, 'userid');
  assert.equal(config.tables.domains.get('constructor'), undefined);
  const error = onlyError(withRest('tables:\n  domains:\n    ACME.com: {}\n    acme.COM: {}\n'));
  assert.equal(brief(error), '6:15 tables.domains["acme.COM"] a domain given twice');
  const elsewhere = onlyError(withRest('tables:\n  domains:\n    ACME.com: { upstream: b }\n'));
  assert.equal(brief(elsewhere), '5:27 tables.domains["ACME.com"].upstream no upstream has this name');
});

test('a login has one source of its password, no more and no less', () => {
  const login = (text: string) => upstreams(`name: a, host: 127.0.0.1, port: 2, login: ${text}`);
  const both = 'password_file: /a, password_env: A';
  for (const [mode, user] of [
    ['master', 'user: m, '],
    ['plain', 'user: m, '],
    ['secret', ''],
  ]) {
    good(withRest(login(`{ ${mode}: { ${user}password_file: /a } }`)));
    good(withRest(login(`{ ${mode}: { ${user}password_env: A } }`)));
    const path = `upstreams[0].login.${mode}`;
    assert.equal(
      only(login(`{ ${mode}: { ${user}${both} } }`))[0],
      `${path}.password_env: a second source of the password`,
    );
    if (user !== '')
      assert.equal(only(login(`{ ${mode}: { user: m } }`))[0], `${path}: no password is given`);
  }
  assert.equal(only(`redis: { ${both} }\n`)[0], 'redis.password_env: a second source of the password');
});

test('a login is one of its modes', () => {
  const login = (text: string) => only(upstreams(`name: a, host: 127.0.0.1, port: 2, login: ${text}`));
  const message = 'upstreams[0].login: expected passthrough, row, or one of master, plain and secret';
  assert.deepEqual(login('{}'), [message, 'none is given']);
  assert.deepEqual(login('{ secret: { password_env: A }, plain: { user: m, password_env: A } }'), [
    message,
    'plain and secret are given: keep one',
  ]);
  assert.deepEqual(login('passtrough'), [message, 'did you mean passthrough?']);
  assert.deepEqual(login('[master]')[0], message);
  assert.deepEqual(login('{ mastr: {} }'), [
    'upstreams[0].login.mastr: unknown setting',
    'did you mean master?',
  ]);
});

test("the rows' passwords go to a mailstore only where a key seals them, or where they never leave the files", () => {
  const row = upstreams('name: a, host: 127.0.0.1, port: 2, login: row');
  const [error, hint] = only(row);
  assert.equal(error, "upstreams[0].login: the rows' passwords need a key");
  assert.match(hint ?? '', /passwords\.seal_key_file/);
  good(withRest(`${row}passwords: { seal_key_file: /key }\n`));
  good(withRest(`${row}tables: { source: files }\n`));
  const { config } = good(withRest(`${row}passwords: { seal_key_file: /key }\n`));
  assert.equal(keepingOf(config, 'acme.com'), 'sealed');
});

test('time for a line or a delay is within the time for the login', () => {
  assert.equal(
    only('limits: { line_time: 61s, login_time: 60s }\n')[0],
    'limits.line_time: longer than limits.login_time',
  );
  good(withRest('limits: { line_time: 60s, login_time: 60s }\n'));
  const delay = only('limits: { failure_delay: 10s, login_time: 10s, line_time: 5s }\n')[0];
  assert.equal(delay, 'limits.failure_delay: as long as limits.login_time');
});

test('a session may be idle for 10 minutes at least', () => {
  assert.equal(only('limits: { session_idle: 599s }\n')[0], 'limits.session_idle: expected 10m to 24h');
  assert.equal(good(withRest('limits: { session_idle: 600s }\n')).config.limits.sessionIdle, 600_000);
});

test('the proxy is not its own upstream', () => {
  const loops: [string, string, boolean][] = [
    ['"::"', '127.0.0.1', true],
    ['"::"', 'localhost', true],
    ['"::"', '"::1"', true],
    ['0.0.0.0', '127.0.0.2', true],
    ['0.0.0.0', '"::1"', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', 'localhost', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['10.0.0.1', '127.0.0.1', false],
    ['10.0.0.1', '10.0.0.1', true],
  ];
  for (const [address, host, loop] of loops) {
    const text =
      listeners(`name: a, address: ${address}, port: 110, ${OPEN}`) + upstreams(`name: a, host: ${host}`);
    if (!loop) good(withRest(text));
    else
      assert.match(
        only(text)[0],
        /^upstreams\[0\]\.port: the proxy would be its own upstream: listeners\[0\]/,
        text,
      );
  }
});

test('off may be written as false', () => {
  const open = 'plaintext_auth: [10.0.0.0/8]';
  const text = `${listeners(`name: a, port: 110, tls: false, ${open}`)}admin: false\nkeepalive: false\nredis: { tls: off }\n`;
  const { config } = good(text + upstreams('name: a, host: 127.0.0.1, port: 111, tls: false'));
  assert.deepEqual([config.listeners[0]?.tls, config.upstreams[0]?.tls], ['off', 'off']);
  assert.deepEqual([config.admin, config.keepalive, config.redis.tls], [null, null, null]);
});

test("an upstream's port is that of its TLS", () => {
  const ports = upstreams(
    'name: a, host: m',
    'name: b, host: m, tls: implicit',
    'name: c, host: m, tls: implicit, port: 7',
  );
  assert.deepEqual(
    good(withRest(`${listeners(`name: a, port: 1110, ${OPEN}`)}${ports}`)).config.upstreams.map(
      ({ port }) => port,
    ),
    [110, 995, 7],
  );
});

test('redis.tls is false, true or settings', () => {
  const tls = (text: string) => good(withRest(`redis: { tls: ${text} }\n`)).config.redis.tls;
  assert.equal(tls('false'), null);
  assert.deepEqual(tls('true'), { caFile: null, serverName: null, verify: true });
  assert.deepEqual(tls('{ ca_file: /ca }'), { caFile: '/ca', serverName: null, verify: true });
});

test('Argon2 parameters that no hash can have are refused, weak ones doubted', () => {
  const lanes = only('passwords: { argon2: { memory: 16KiB, parallelism: 4 } }\n');
  assert.deepEqual(lanes, [
    'passwords.argon2.memory: too little for passwords.argon2.parallelism',
    '4 lanes take 32KiB at least',
  ]);
  const weak = warningsOf('passwords: { argon2: { memory: 64KiB } }\n');
  assert.deepEqual(weak, [
    'warning passwords.argon2.memory: little memory makes stolen hashes cheap to guess',
  ]);
  assert.deepEqual(warningsOf('passwords: { argon2: { memory: 7MiB, time: 5 } }\n'), []);
});

test('what works and is unsafe is a warning', () => {
  assert.deepEqual(warningsOf(upstreams('name: a, host: mail.example.com')), [
    'warning upstreams[0].tls: passwords and mail go to this host in plain',
  ]);
  assert.deepEqual(warningsOf(upstreams('name: a, host: mail.example.com, tls: starttls, verify: false')), [
    'warning upstreams[0].verify: anybody on the way can pose as the mailstore',
  ]);
  assert.deepEqual(warningsOf('redis: { host: redis.example.com }\n'), [
    'warning redis.host: the tables come from this host in plain',
  ]);
  assert.deepEqual(warningsOf('redis: { host: redis.example.com, tls: { verify: false } }\n'), [
    'warning redis.tls.verify: anybody on the way can pose as Redis',
  ]);
  assert.deepEqual(warningsOf('redis: { host: redis.example.com }\ntables: { source: files }\n'), []);
  assert.deepEqual(warningsOf(listeners('name: a, port: 110, tls: off, plaintext_auth: always')), [
    'warning listeners[0].plaintext_auth: passwords may cross the network in plain',
  ]);
  assert.deepEqual(
    warningsOf(listeners('name: a, address: 127.0.0.1, port: 110, tls: off, plaintext_auth: always')),
    [],
  );
});

test('YAML that means something else than it seems to is refused with the cure', () => {
  const cases: [string, string, RegExp][] = [
    ['redis: { port: 06379 }\n', 'redis.port: a number with a leading zero', /write 6379/],
    ['%YAML 1.1\n---\nredis: { port: 06379 }\n', 'redis.port: a number with a leading zero', /write/],
    ['redis: { host: 10 }\n', 'redis.host: expected a host name or an IP address', /no brackets/],
    ['redis: { host: !!binary aGk= }\n', 'redis.host: a value with a tag, or a date', /plain text/],
    ['redis: { host: "[::1]" }\n', 'redis.host: expected a host name or an IP address', /no brackets/],
    ['tables: { resolve_names: yes }\n', 'tables.resolve_names: expected true or false', /YAML 1\.2/],
    ['redis:\n  <<: { port: 1 }\n', 'redis.<<: unknown setting', /known here/],
    ['redis:\n  __proto__: { port: 1 }\n', 'redis.__proto__: unknown setting', /known here/],
    [
      'redis: &r\n  port: 1\n  host: *nobody\n',
      'redis.host: refers to an anchor that does not exist',
      /&name/,
    ],
    ['redis:\n  ? [a, b]\n  : c\n', 'redis: a key must be a plain word', /key: value/],
    ['log: { level: info }\n---\nlog: { level: info }\n', ': a second document', /one/],
    ['log: { level: info\n', ': wrong indentation, or a bracket that is never closed', /column/],
    ['log:\n  level: "info\n', ': a quote, colon, comma or bracket is missing', /^$/],
    ['log:\n level: info\n  x: y\n', ': a second colon or list on one line', /quotes/],
  ];
  for (const [text, error, hint] of cases) {
    const all = errorsOf(text.startsWith('%') ? text + withRest('') : withRest(text));
    const found = all.find(
      ({ path, message }) => `${path.replaceAll('["<<"]', '.<<')}: ${message}` === error,
    );
    assert.ok(found !== undefined, `${text}\n${all.map(brief).join('\n')}`);
    assert.match(found.hint ?? '', hint);
  }
});

test('aliases that unfold without end are refused', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh'].map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index]},`.repeat(9)}]\n`).join('')}`;
  assert.ok(errorsOf(bomb).some(({ message }) => message === 'too many values'));
  assert.ok(
    errorsOf(withRest('log: &l { level: info, more: *l }\n')).some(
      ({ message }) => message === 'nested too deeply',
    ),
  );
  const { config } = good(withRest('keepalive: { idle: &time 30s, interval: *time }\n'));
  assert.deepEqual([config.keepalive?.idle, config.keepalive?.interval], [30_000, 30_000]);
});
