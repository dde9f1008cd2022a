import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { check } from '../../src/cli/check.ts';
import { fileFindings } from '../../src/config/files.ts';
import type { Finding } from '../../src/config/problem.ts';
import { temporaryFolder } from '../support/temp.ts';
import { temporaryCertificates } from '../support/tls.ts';
import { good, LISTENERS, UPSTREAMS, withRest } from './configs.ts';

const DAY = 86_400_000;
const folder = temporaryFolder('files');
const { ca, caFile, ecdsa, rsa, expired } = temporaryCertificates();
after(() => folder.remove());

/** A key that only its owner can read. */
function safeKey(name: string, from: { keyFile: string }): string {
  const file = `${folder.path}/${name}.key`;
  copyFileSync(from.keyFile, file);
  chmodSync(file, 0o600);
  return file;
}

const ecdsaKey = safeKey('ecdsa', ecdsa);
const rsaKey = safeKey('rsa', rsa);

function pair(certificate: string, key: string, now = Date.now()): string[] {
  const text = withRest(`tls: { certificates: [{ certificate: "${certificate}", key: "${key}" }] }\n`);
  return fileFindings(good(text).config, now).map(shown);
}

function shown({ severity, path, message, quote }: Finding): string {
  assert.equal(quote, 'no');
  return `${severity} ${path.join('.')}: ${message.replaceAll(folder.path, '')}`;
}

test('a certificate with its key raises nothing, whatever the kind of key', () => {
  assert.deepEqual(pair(ecdsa.certificateFile, ecdsaKey), []);
  assert.deepEqual(pair(rsa.certificateFile, rsaKey), []);
});

test('certificate, chain and key may share one file', () => {
  const all = folder.file('all.pem', `${rsa.certificate}\n${ca}\n${rsa.key}`, 0o600);
  assert.deepEqual(pair(all, all), []);
});

test('a key of another certificate is an error, and so is a chain in the wrong order', () => {
  const [error] = pair(ecdsa.certificateFile, rsaKey);
  assert.equal(error, `error tls.certificates.0.key: does not belong to ${ecdsa.certificateFile}`);
  const reversed = folder.file('reversed.pem', `${ca}\n${rsa.certificate}`);
  assert.deepEqual(pair(reversed, rsaKey), [
    'error tls.certificates.0.key: does not belong to /reversed.pem',
  ]);
});

test('certificates that have expired or are not yet valid are errors; those that soon expire are doubted', () => {
  const key = safeKey('expired', expired);
  assert.match(
    pair(expired.certificateFile, key)[0] ?? '',
    /^error tls.certificates.0.certificate: .* expired on /,
  );
  assert.match(
    pair(ecdsa.certificateFile, ecdsaKey, Date.now() - 3 * DAY)[0] ?? '',
    /^error .* is valid from .* on$/,
  );
  assert.match(pair(ecdsa.certificateFile, ecdsaKey, Date.now() + DAY)[0] ?? '', /^warning .* expires on /);
});

test('files that are missing, unreadable as PEM or locked by a passphrase are errors', () => {
  const text = folder.file('text.pem', 'no PEM', 0o600);
  const damaged = folder.file(
    'damaged.pem',
    ecdsa.certificate.replace(/\n[^-\n]{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
  );
  const locked = `${folder.path}/locked.key`;
  execFileSync('openssl', ['pkey', '-in', ecdsaKey, '-aes128', '-passout', 'pass:x', '-out', locked]);
  chmodSync(locked, 0o600);
  const at = 'error tls.certificates.0';
  assert.deepEqual(pair('/nowhere/a', '/nowhere/b'), [
    `${at}.certificate: /nowhere/a cannot be read: it does not exist`,
    `${at}.key: /nowhere/b cannot be read: it does not exist`,
  ]);
  assert.deepEqual(pair(text, text), [
    `${at}.certificate: /text.pem holds no readable certificate`,
    `${at}.key: /text.pem holds no readable private key`,
  ]);
  assert.deepEqual(pair(damaged, ecdsaKey), [
    `${at}.certificate: /damaged.pem holds no readable certificate`,
  ]);
  assert.deepEqual(pair(ecdsa.certificateFile, locked), [
    `${at}.key: /locked.key holds no readable private key`,
  ]);
  assert.deepEqual(pair(ecdsa.certificateFile, folder.path), [`${at}.key:  is no regular file`]);
});

test('a key that everybody on the host can read is doubted', () => {
  chmodSync(ecdsaKey, 0o644);
  const found = pair(ecdsa.certificateFile, ecdsaKey);
  chmodSync(ecdsaKey, 0o600);
  assert.deepEqual(found, ['warning tls.certificates.0.key: everybody on this host can get at /ecdsa.key']);
});

test('authorities, account files, tables and keys that are named must be there', () => {
  const text = folder.file('no-authority', 'text');
  const named = `${LISTENERS}upstreams: [{ name: a, host: m, tls: starttls, ca_file: ${text} }]
redis: { tls: { ca_file: ${expired.certificateFile} } }
tables: { source: files, domain_table: /nowhere/t, accounts: { passwd: /nowhere/p, group: /nowhere/g } }
passwords: { seal_key_file: /nowhere/k }
`;
  const found = fileFindings(good(named).config, Date.now()).map(shown);
  const missing = (path: string, file: string) =>
    `error ${path}: /nowhere/${file} cannot be read: it does not exist`;
  assert.deepEqual(found, [
    'error upstreams.0.ca_file: /no-authority holds no readable certificate',
    `error redis.tls.ca_file: all certificates in ${expired.certificateFile} have expired`,
    missing('tables.accounts.passwd', 'p'),
    missing('tables.accounts.group', 'g'),
    missing('tables.domain_table', 't'),
    missing('passwords.seal_key_file', 'k'),
  ]);
  const there = `${LISTENERS}upstreams: [{ name: a, host: m, tls: starttls, ca_file: ${caFile} }]
tables: { accounts: { passwd: ${text}, group: ${text} } }
passwords: { seal_key_file: ${folder.file('seal.key', 'k', 0o600)} }
`;
  assert.deepEqual(fileFindings(good(there).config, Date.now()), []);
});

async function run(argv: string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env,
  };
  const status = await check(argv, io);
  return { status, out, err };
}

test('check says that a config is good, and with which doubts', async () => {
  const file = folder.file('good.yaml', `${LISTENERS}${UPSTREAMS}`);
  const done = {
    status: 0,
    out: `${file} is good: 1 listener, 1 upstream, tables from redis at 127.0.0.1 port 6379, 0 warnings\n`,
    err: '',
  };
  assert.deepEqual(await run(['--config', file]), done);
  assert.deepEqual(await run(['-c', file]), done);
  assert.deepEqual(await run([], { TEAPOP_PROXY_CONFIG: file }), done);
  const doubtful = folder.file(
    'doubtful.yaml',
    `${LISTENERS}upstreams: [{ name: a, host: mail.example.com }]\n`,
  );
  const { status, out, err } = await run(['--config', doubtful]);
  assert.equal(status, 0);
  assert.match(out, / 1 warning\n$/);
  assert.match(
    err,
    /doubtful\.yaml:2:\d+: warning: upstreams\[0\]\.tls: passwords and mail go to this host in plain\n/,
  );
});

test('check reports secrets and files together, with line, mark and hint, and fails', async () => {
  const text = `${LISTENERS}${UPSTREAMS}redis: { password_env: NOT_SET }\npasswords: { seal_key_file: /nowhere/k }\n`;
  const file = folder.file('bad.yaml', text);
  const { status, out, err } = await run(['--config', file]);
  assert.equal(status, 1);
  assert.equal(out, '');
  assert.equal(
    err,
    `${file}:3:24: redis.password_env: the variable named here is not set
     3 | redis: { password_env:
       |                        ^
    hint: set it for the service, or write password_file
${file}:4:29: passwords.seal_key_file: /nowhere/k cannot be read: it does not exist
     4 | passwords: { seal_key_file: /nowhere/k }
       |                             ^
    hint: create it, or give its real path
${file}: 2 errors, 0 warnings
`,
  );
});

test('check explains itself, and wrong usage', async () => {
  assert.match((await run(['--help'])).out, /^usage: teapop-proxy check/);
  const { status, err } = await run(['--colour']);
  assert.equal(status, 2);
  assert.match(err, /--colour[\s\S]*usage: teapop-proxy check/);
  assert.equal((await run(['--config', '/nowhere/config.yaml'])).status, 1);
});

test('the folder of a snapshot must be there to be written to', () => {
  const found = (file: string) =>
    fileFindings(good(withRest(`tables: { snapshot: "${file}" }\n`)).config, Date.now()).map(shown);
  assert.deepEqual(found(`${folder.path}/tables.snapshot`), [], 'the file itself is made by the proxy');
  assert.deepEqual(found(`${folder.path}/nowhere/tables.snapshot`), [
    'error tables.snapshot: /nowhere cannot be written: it does not exist',
  ]);
});
