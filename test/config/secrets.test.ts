import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { check } from '../../src/cli/check.ts';
import { parseConfig } from '../../src/config/load.ts';
import { formatError } from '../../src/config/problem.ts';
import { loadSecrets, Secrets } from '../../src/config/secrets.ts';
import { temporaryFolder } from '../support/temp.ts';
import { good, LISTENERS } from './configs.ts';

/** Where people write a password into the config, as it should not be. */
const MISTAKES = [
  (secret: string) => `redis:\n  password: ${secret}\n`,
  (secret: string) => `redis: { password: ${secret}, port: none }\n`,
  (secret: string) => `redis: { port: none, password: "${secret}" }\n`,
  (secret: string) => `redis:\n  password: |\n    ${secret}\n  tls: maybe\n`,
  (secret: string) => `redis:\n  password:\n    ${secret}\n`,
  (secret: string) => `redis:\n  password: [${secret}]\n  password: ${secret}\n`,
  (secret: string) => `redis:\n  passwrd: ${secret}\n`,
  (secret: string) => `redis:\n  auth: { user: a, code: ${secret} }\n`,
  (secret: string) => `redis:\n  password_env: ${secret}\n`,
  (secret: string) => `redis:\n  password_env: { x: ${secret} }\n`,
  (secret: string) => `redis:\n  password_file: ${secret}\n`,
  (secret: string) => `redis:\n  password_file: ${secret}\n  password_file: ${secret}\n`,
  (secret: string) => `redis:\n  host: redis://me:${secret}@localhost\n`,
  (secret: string) => `redis:\n  host: { user: me, code: ${secret} }\n`,
  (secret: string) => `redis:\n  host: [localhost, me, ${secret}]\n`,
  (secret: string) => `redis:\n  host:\n    code: ${secret}\n`,
  (secret: string) => `redis:\n  password_env: "\\q${secret}"\n`,
  (secret: string) => `redis:\n  password_file: "\\q${secret}"\n`,
  (secret: string) => `redis: redis://:${secret}@localhost/0\n`,
  (secret: string) => `passwords: ${secret}\n`,
  (secret: string) => `passwords:\n  seal_key_file: ${secret}\n`,
  (secret: string) =>
    `tls: { certificates: [{ certificate: /a, key: "-----BEGIN PRIVATE KEY----- ${secret}" }] }\n`,
  (secret: string) => `tls:\n  certificates:\n    - certificate: /a\n      key: |\n        ${secret}\n`,
  (secret: string) => `upstreams: [{ name: a, host: b, login: { master: ${secret} } }]\n`,
  (secret: string) => `upstreams: [{ name: a, host: b, login: { secret: ${secret} } }]\n`,
  (secret: string) => `upstreams: [{ name: a, host: b, login: { master: { user: me, pw: ${secret} } } }]\n`,
  (secret: string) =>
    `upstreams: [{ name: a, host: b, login: { mastr: { user: me, password_env: ${secret} } } }]\n`,
  (secret: string) => `redis:\n  password: "${secret}\n`,
  (secret: string) => `redis:\n  password: @${secret}\n`,
  (secret: string) => `redis:\n  password: "\\q${secret}"\n`,
  (secret: string) => `redis:\n  password: a: ${secret}\n`,
  (secret: string) => `redis:\n  password: |2${secret}\n`,
  (secret: string) => `redis:\n  password: *${secret}\n`,
  (secret: string) => `redis:\n  password: !${secret} ${secret}\n`,
  (secret: string) => `redis:\n  password:\n\t- ${secret}\n`,
  (secret: string) => `redis:\n  password: ${secret}\n   port: 1\n`,
  (secret: string) => `redis:\n  password_env: '${secret}\n`,
];

test('no error shows a password that was written into the config', () => {
  const secret = fc.stringMatching(/^[a-z][a-z0-9]{9,19}$/);
  fc.assert(
    fc.property(secret, fc.constantFrom(...MISTAKES), fc.boolean(), (password, mistake, crlf) => {
      const text = mistake(password).replaceAll('\n', crlf ? '\r\n' : '\n');
      const parsed = parseConfig(text, 'test.yaml');
      assert.ok('errors' in parsed);
      const all = [...parsed.errors, ...parsed.warnings];
      const shown = `${all.map(formatError).join('\n')}\n${JSON.stringify(all)}`;
      assert.ok(!shown.includes(password), shown);
    }),
    { numRuns: 20 * MISTAKES.length },
  );
});

test('a password in the config is answered with where it belongs', () => {
  const parsed = parseConfig(`redis:\n  password: hunter2\n`, 'test.yaml');
  assert.ok('errors' in parsed);
  const error = parsed.errors.find(({ path }) => path === 'redis.password');
  assert.deepEqual(
    [error?.line, error?.column, error?.message],
    [2, 3, 'secrets come from a file or from the environment, not from here'],
  );
  assert.match(error?.hint ?? '', /password_file .* password_env/);
});

const SECRETS = `${LISTENERS}upstreams:
  - { name: passing, host: 127.0.0.1, port: 1110 }
  - { name: by-file, host: 127.0.0.1, port: 1110, login: { master: { user: m, password_file: FOLDER/master } } }
  - { name: by-env, host: 127.0.0.1, port: 1110, login: { plain: { user: m, password_env: PLAIN_PASSWORD } } }
redis: { password_file: FOLDER/redis, sentinels: [{ host: 127.0.0.1 }], master: m, sentinel_password_env: SENTINEL }
`;

function secretsOf(files: Record<string, string>, environment: Record<string, string>, mode = 0o600) {
  const folder = temporaryFolder('secrets');
  for (const [name, content] of Object.entries(files)) folder.file(name, content, mode);
  const { config } = good(SECRETS.replaceAll('FOLDER', folder.path));
  const loaded = loadSecrets(config, { SENTINEL: 'sesame-sentinel', ...environment });
  folder.remove();
  return loaded;
}

test('secrets are the octets of their file without one newline, or the UTF-8 of their variable', () => {
  const files = { master: ' p\xe4ss  \r\n', redis: 'one\xff\n' };
  const { secrets, findings } = secretsOf(files, { PLAIN_PASSWORD: 'p\u00e4ss \u20ac' });
  assert.deepEqual(findings, []);
  assert.equal(secrets.upstream('by-file'), ' p\xe4ss  ');
  assert.equal(secrets.upstream('by-env'), 'p\xc3\xa4ss \xe2\x82\xac');
  assert.equal(secrets.redis(), 'one\xff');
  assert.equal(secrets.sentinel(), 'sesame-sentinel');
  assert.throws(() => secrets.upstream('passing'), /passing has no password/);
});

test('a secret that is missing, empty or of several lines is an error that does not show it', () => {
  const cases: [Record<string, string>, Record<string, string>, RegExp][] = [
    [{ redis: 'r' }, { PLAIN_PASSWORD: 'p' }, /master cannot be read: it does not exist/],
    [{ redis: 'r', master: '' }, { PLAIN_PASSWORD: 'p' }, /master is empty/],
    [{ redis: 'r', master: '\n' }, { PLAIN_PASSWORD: 'p' }, /master is empty/],
    [{ redis: 'r', master: 'sesame\n\n' }, { PLAIN_PASSWORD: 'p' }, /master holds a line break/],
    [{ redis: 'r', master: 'sesame\nQUIT' }, { PLAIN_PASSWORD: 'p' }, /master holds a line break/],
    [{ redis: 'r', master: 'sesame\0' }, { PLAIN_PASSWORD: 'p' }, /master holds a line break or NUL/],
    [
      { redis: 'r', master: 'm'.repeat(70_000) },
      { PLAIN_PASSWORD: 'p' },
      /master has more than 65536 octets/,
    ],
    [{ redis: 'r', master: 'm' }, {}, /the variable named here is not set/],
    [{ redis: 'r', master: 'm' }, { PLAIN_PASSWORD: 'p', SENTINEL: '' }, /the variable is empty/],
    [{ redis: 'r', master: 'm' }, { PLAIN_PASSWORD: '' }, /the variable is empty/],
    [{ redis: 'r', master: 'm' }, { PLAIN_PASSWORD: 'sesame\r' }, /the variable holds a line break/],
  ];
  for (const [files, environment, message] of cases) {
    const { findings } = secretsOf(files, environment);
    assert.equal(findings.length, 1, String(message));
    assert.equal(findings[0]?.severity, 'error');
    assert.match(findings[0]?.message ?? '', message);
    assert.doesNotMatch(JSON.stringify(findings), /sesame|mmm/);
  }
});

test('a secret that everybody on the host can read is doubted, and used', () => {
  const { secrets, findings } = secretsOf({ master: 'm', redis: 'r' }, { PLAIN_PASSWORD: 'p' }, 0o644);
  assert.deepEqual(
    findings.map(({ severity, path }) => [severity, path.at(-1)]),
    [
      ['warning', 'password_file'],
      ['warning', 'password_file'],
    ],
  );
  assert.equal(secrets.redis(), 'r');
});

test('secrets do not show themselves', () => {
  const secrets = new Secrets('sesame-redis', new Map([['a', 'sesame-a']]), 'sesame-sentinel');
  const shown = [
    JSON.stringify({ secrets }),
    String(secrets),
    `${secrets}`,
    inspect({ secrets }, { depth: null, showHidden: true }),
    JSON.stringify(Object.entries(secrets)),
    JSON.stringify({ ...secrets }),
  ];
  assert.doesNotMatch(shown.join('\n'), /sesame/);
});

test('check shows no secret either', async () => {
  const folder = temporaryFolder('secrets');
  folder.file('master', 'sesame\nsesame', 0o644);
  folder.file('redis', 'sesame', 0o644);
  let shown = '';
  const write = (text: string) => {
    shown += text;
  };
  const argv = ['--config', folder.file('config.yaml', SECRETS.replaceAll('FOLDER', folder.path))];
  const status = await check(argv, { out: write, err: write, env: { PLAIN_PASSWORD: 'sesame\n' } });
  folder.remove();
  assert.equal(status, 1);
  assert.match(shown, /master holds a line break/);
  assert.doesNotMatch(shown, /sesame/);
});
