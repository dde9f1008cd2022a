import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LARGEST_FILE, loadConfig, readConfig } from '../../src/config/load.ts';
import { formatError, MOST_ERRORS } from '../../src/config/problem.ts';
import { computed } from '../support/clock.ts';
import { temporaryFolder } from '../support/temp.ts';
import { brief, errorsOf, good, LISTENERS, onlyError, UPSTREAMS, withRest } from './configs.ts';

const EXAMPLE = new URL('../../deploy/teapop-proxy.yaml', import.meta.url);

test('five mistakes are five errors, each with its place, its value and its cure', () => {
  const text = `listeners:
  - name: pop3
    port: 70000
    tls: starttsl
    plaintext_auth: always
limits:
  sesion_idle: 15m
  failure_delay: 3
upstreams:
  - name: mailstore
    host: mail.example.com:110
    tls: implicit
`;
  assert.deepEqual(
    errorsOf(text).map(({ line, column, path, value, message, hint }) => ({
      at: [line, column],
      path,
      value,
      message,
      hint,
    })),
    [
      {
        at: [3, 11],
        path: 'listeners[0].port',
        value: '70000',
        message: 'expected a whole number from 0 to 65535',
        hint: null,
      },
      {
        at: [4, 10],
        path: 'listeners[0].tls',
        value: 'starttsl',
        message: 'expected off, starttls or implicit',
        hint: 'did you mean starttls?',
      },
      {
        at: [7, 3],
        path: 'limits.sesion_idle',
        value: null,
        message: 'unknown setting',
        hint: 'did you mean session_idle?',
      },
      {
        at: [8, 18],
        path: 'limits.failure_delay',
        value: '3',
        message: 'expected a duration',
        hint: 'write a whole number and a unit: 500ms, 30s, 10m, 24h',
      },
      {
        at: [11, 11],
        path: 'upstreams[0].host',
        value: 'mail.example.com:110',
        message: 'expected a host name or an IP address',
        hint: 'no brackets, no URL; the port has a key of its own',
      },
    ],
  );
});

test('an error is shown with its line and a mark below the column', () => {
  const error = onlyError(withRest('limits:\n  login_attempts: none\n'));
  assert.equal(
    formatError(error),
    `test.yaml:4:19: limits.login_attempts: expected a whole number from 1 to 100, found none
     4 |   login_attempts: none
       |                   ^`,
  );
});

test('schema errors, rules across settings, doubled keys and harmless YAML errors come together', () => {
  const text = `listeners:
  - { name: pop3, port: 110, tls: off }
  - { name: pop3, port: 9999999, tls: off, plaintext_auth: always }
log: { level: debug }
log: { level: loud }
upstreams:
\t- { name: mailstore, host: 127.0.0.1, port: 110 }
`;
  assert.deepEqual(errorsOf(text).map(brief), [
    '2:5 listeners[0].plaintext_auth nobody could log in: no TLS, and no plain login either',
    '3:13 listeners[1].name a name given twice',
    '3:25 listeners[1].port expected a whole number from 0 to 65535',
    '5:1 log given twice',
    '7:1  a tab in the indentation',
  ]);
});

test('what rests on a wrong value is not judged', () => {
  // With tls wrong, nobody knows whether certificates or plain logins are missing.
  const wrongTls = withRest('listeners: [{ name: a, port: 1, tls: of }]\n');
  assert.equal(brief(onlyError(wrongTls)), '2:38 listeners[0].tls expected off, starttls or implicit');
  const misspelt = withRest('listeners: [{ name: a, port: 1, tls: off, plaintext: always }]\n');
  assert.equal(onlyError(misspelt).hint, 'did you mean plaintext_auth?');
});

test('a misspelt setting that must be given is one error', () => {
  assert.deepEqual(
    errorsOf(withRest('listeners: [{ nam: a, port: 1, tls: implicit }]\ntls: { certificates: [] }\n')).map(
      brief,
    ),
    ['2:15 listeners[0].nam unknown setting', '2:37 listeners[0].tls TLS needs a certificate'],
  );
});

test('an empty file lacks the two settings without a default', () => {
  for (const text of ['', '\n', '# nothing yet\n', '---\n', '{}', '\ufeff', 'log:\n']) {
    assert.deepEqual(
      errorsOf(text).map(({ line, column, path, message }) => [line, column, path, message]),
      ['listeners', 'upstreams'].map((path) => [1, 1, path, 'is missing']),
    );
  }
});

test('a section with all its lines commented out has its defaults', () => {
  const { config } = good(
    `${LISTENERS}${UPSTREAMS}limits:\n#  login_time: 60s\ntls:\n  certificates:\nkeepalive:\ntables:\n  domains:\n`,
  );
  assert.equal(config.limits.loginTime, 180_000);
  assert.deepEqual(config.tls.certificates, []);
  assert.equal(config.keepalive?.idle, 60_000);
  assert.equal(config.tables.domains.size, 0);
});

test('CRLF, a byte order mark and no last newline make no difference', () => {
  const text = withRest('limits:\n  line_time: 30s\n  login_time: 2m');
  assert.deepEqual(good(`\ufeff${text.replaceAll('\n', '\r\n')}`).config, good(text).config);
  const { line, column, excerpt } = onlyError(
    `\ufeff${withRest('limits:\n  line_time: 30\n')}`.replaceAll('\n', '\r\n'),
  );
  assert.deepEqual({ line, column, excerpt }, { line: 4, column: 14, excerpt: '  line_time: 30' });
});

test('a byte order mark takes no column', () => {
  assert.deepEqual(errorsOf(`\ufefflog: loud\n${LISTENERS}${UPSTREAMS}`).map(brief), [
    '1:6 log expected settings',
  ]);
});

test('a list or a word is no config', () => {
  assert.deepEqual(errorsOf('- a\n- b\n').map(brief), ['1:1  expected settings']);
  assert.deepEqual(errorsOf('listeners').map(brief), ['1:1  expected settings']);
});

test('a file that is too large, missing, a folder or not UTF-8 is one error without a line', () => {
  const folder = temporaryFolder('config');
  try {
    const cases: [string, RegExp][] = [
      [folder.file('large.yaml', '#'.repeat(LARGEST_FILE + 1)), /larger than/],
      [`${folder.path}/none.yaml`, /cannot be read: it does not exist/],
      [folder.path, /cannot be read: it is a folder/],
      [folder.file('latin1.yaml', 'log: { level: \xe9 }\n'), /not UTF-8/],
    ];
    for (const [file, message] of cases) {
      const read = readConfig(file);
      assert.ok('errors' in read);
      assert.equal(read.errors.length, 1);
      assert.match(formatError(read.errors[0]!), new RegExp(`^${file}: `));
      assert.match(read.errors[0]!.message, message);
    }
  } finally {
    folder.remove();
  }
});

test('a file full of nonsense is refused in a moment', () => {
  // Each of these once took minutes, by the square of its length.
  const heavy = [
    Array.from({ length: 30_000 }, (_item, index) => `k${index}: 1\n`).join(''),
    'a: 1\n'.repeat(30_000),
    '? '.repeat(30_000),
    '['.repeat(30_000),
  ];
  const took = computed(() => {
    for (const text of heavy) assert.ok(errorsOf(text).length <= MOST_ERRORS);
  });
  assert.ok(took < 15_000, `took ${took} ms`);
});

test('the example config is good and raises no doubt', () => {
  const { config, warnings } = good(readFileSync(EXAMPLE, 'utf8'));
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    config.listeners.map(({ port, tls }) => [port, tls]),
    [
      [110, 'starttls'],
      [995, 'implicit'],
    ],
  );
  assert.deepEqual(config.upstreams[0]?.login, {
    mode: 'master',
    user: 'teapop-proxy',
    passwordFile: '/etc/teapop-proxy/master.password',
    passwordEnv: null,
    separator: '*',
  });
});

test('secrets that cannot be had are found at the settings that name them', () => {
  const folder = temporaryFolder('config');
  const text = `${LISTENERS}upstreams:
  - { name: a, host: 127.0.0.1, port: 1110, login: { secret: { password_file: ${folder.path}/none } } }
  - { name: b, host: 127.0.0.1, port: 1110, login: { secret: { password_env: NOT_SET } } }
`;
  const loaded = loadConfig(folder.file('config.yaml', text), {});
  folder.remove();
  assert.ok('errors' in loaded);
  assert.deepEqual(
    loaded.errors.map(({ line, column, path }) => [line, column, path]),
    [
      [3, 79, 'upstreams[0].login.secret.password_file'],
      [4, 78, 'upstreams[1].login.secret.password_env'],
    ],
  );
});
