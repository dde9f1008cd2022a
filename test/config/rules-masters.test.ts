import assert from 'node:assert/strict';
import { test } from 'node:test';
import { good, onlyError, withRest } from './configs.ts';

const UPSTREAMS = `upstreams:
  - { name: own, host: 127.0.0.1, port: 2 }
  - { name: master, host: 127.0.0.1, port: 3, login: { secret: { password_env: A } } }\n`;
const FIRST = `upstreams: [{ name: a, host: 127.0.0.1, port: 2, login: { secret: { password_env: A } } }]\n`;
const tables = (text: string) => `tables: { ${text} }\n`;

function only(text: string): string {
  const { path, message } = onlyError(withRest(text));
  return `${path}: ${message}`;
}

test('a master acts where the mailstore does not want the password of the one he acts for', () => {
  const master = 'masters: [{ user: help@example.com }]';
  const unknown = 'a master does not know the password that upstream own is to be sent';
  assert.equal(only(tables(master) + UPSTREAMS), `tables.masters[0]: ${unknown}`);
  good(withRest(tables(master) + FIRST));
  const some = (domains: string) =>
    tables(
      `masters: [{ user: help@example.com, domains: [${domains}] }], domains: { a.com: { upstream: master } }`,
    );
  const { config } = good(withRest(some('A.com') + UPSTREAMS));
  assert.deepEqual(config.tables.masters, [{ user: 'help@example.com', domains: ['a.com'] }]);
  assert.equal(only(some('a.com, b.com') + UPSTREAMS), `tables.masters[0].domains: ${unknown}`);
});

test('a master is given once, by a login name', () => {
  const both = (one: string, other: string) =>
    withRest(tables(`masters: [{ user: "${one}" }, { user: "${other}", domains: [x] }]`) + FIRST);
  for (const [one, other] of [
    ['a@b.c', 'a@B.c'],
    ['a@b.c', 'a%b.c'],
    ['a@', 'a'],
  ] as const)
    assert.equal(onlyError(both(one, other)).message, 'a master given twice', other);
  // Two users.
  good(both('a@b.c', 'A@b.c'));
  assert.match(only(tables('masters: [{ domains: [x] }]') + FIRST), /^tables\.masters\[0\]\.user: /);
  assert.match(only(tables('masters: [{ user: a b }]') + FIRST), /visible ASCII/);
  assert.match(only(tables('masters: [{ user: a, domains: [] }]') + FIRST), /at least one domain/);
});

const certified = (more: string) =>
  `listeners: [{ name: a, port: 1, client_certificates: { ca_file: /ca, identity: email }${more} }]
tls: { certificates: [{ certificate: /a, key: /b }] }\n`;

test('a certificate that names a user is of use where the mailstore wants no password of his', () => {
  const warnings = (text: string) =>
    good(withRest(text)).warnings.map(({ path, message }) => `${path}: ${message}`);
  const warning =
    'listeners[0].client_certificates.identity: a certificate does not tell the password that upstream own is to be sent';
  assert.deepEqual(warnings(certified('') + UPSTREAMS), [warning]);
  assert.deepEqual(warnings(certified(', mechanisms: [USER]') + UPSTREAMS), []);
  assert.deepEqual(warnings(certified('') + FIRST), []);
});

test('EXTERNAL is listed where a certificate names a user', () => {
  const bare =
    'listeners: [{ name: a, port: 1, tls: off, plaintext_auth: [10.0.0.0/8], mechanisms: [EXTERNAL] }]\n';
  assert.equal(only(bare), 'listeners[0].mechanisms[0]: no certificate names a user');
  good(withRest(certified(', mechanisms: [EXTERNAL]') + FIRST));
});
