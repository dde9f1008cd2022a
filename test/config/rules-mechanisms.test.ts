import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { methodsOf } from '../../src/config/mechanisms.ts';
import { errorsOf, good, onlyError, withRest } from './configs.ts';

const KEY = 'passwords: { seal_key_file: /key }\n';
const MASTER = 'login: { secret: { password_env: A } }';
const SECRET = `upstreams: [{ name: a, host: 127.0.0.1, port: 2, ${MASTER} }]\n`;
const TWO = `upstreams:
  - { name: own, host: 127.0.0.1, port: 2 }
  - { name: master, host: 127.0.0.1, port: 3, ${MASTER} }\n`;
const listener = (more: string) =>
  `listeners: [{ name: a, port: 1, tls: off, plaintext_auth: [10.0.0.0/8], ${more} }]\n`;

/** The one thing wrong with a text, as `path message`, and its hint. */
function only(text: string): [string, string | null] {
  const { path, message, hint } = onlyError(withRest(text));
  return [`${path}: ${message}`, hint];
}

const warningsOf = (text: string) =>
  good(withRest(text)).warnings.map(({ path, message }) => `${path}: ${message}`);

describe('what domains offer', () => {
  test('needs a key where something is kept by it', () => {
    const domain = (setting: string) => `tables: { domains: { acme.com: { ${setting}: true } } }\n${SECRET}`;
    const [error, hint] = only(domain('apop'));
    assert.equal(error, 'tables.domains["acme.com"].apop: APOP for acme.com needs a key');
    assert.match(hint ?? '', /passwords\.seal_key_file/);
    assert.equal(
      only(domain('scram'))[0],
      'tables.domains["acme.com"].scram: SCRAM for acme.com needs a key',
    );
    assert.equal(only(`tables: { apop: true }\n${SECRET}`)[0], 'tables.apop: APOP needs a key');
    for (const setting of ['apop', 'scram']) {
      good(withRest(domain(setting) + KEY));
      good(withRest(`tables: { ${setting}: true }\n${SECRET}${KEY}`));
    }
    // Nothing is sealed of files in memory, but salts are made.
    good(withRest(`tables: { source: files, apop: true }\n${SECRET}`));
    assert.equal(
      only(`tables: { source: files, scram: true }\n${SECRET}`)[0],
      'tables.scram: SCRAM needs a key',
    );
  });

  test("is no use where the mailstore wants the client's own password", () => {
    const [error, hint] = only(`tables: { apop: true }\n${KEY}`);
    assert.match(error, /^tables\.apop: APOP does not tell the password that upstream \w+ is to be sent$/);
    assert.match(hint ?? '', /row, master, plain or secret instead of passthrough/);
    const tables = (text: string) => `tables: { ${text} }\n${TWO}${KEY}`;
    const ofOwn = 'SCRAM does not tell the password that upstream own is to be sent';
    assert.equal(only(tables('scram: true'))[0], `tables.scram: ${ofOwn}`);
    assert.equal(
      only(tables('domains: { a.com: { scram: true } }'))[0],
      `tables.domains["a.com"].scram: ${ofOwn}`,
    );
    good(withRest(tables('domains: { a.com: { scram: true, upstream: master } }')));
    // The first upstream has a master, and one domain of those that follow the rest does not.
    const first = `upstreams: [{ name: a, host: 127.0.0.1, port: 2, ${MASTER} }, { name: own, host: 127.0.0.1, port: 3 }]\n`;
    const b = (more: string) =>
      `tables: { apop: true, domains: { b.com: { upstream: own${more} } } }\n${first}${KEY}`;
    assert.equal(
      only(b(''))[0],
      'tables.apop: APOP does not tell the password that upstream own is to be sent',
    );
    good(withRest(b(', apop: false')));
  });

  test('by some of them alone breaks mail programs of the others, unless listeners choose', () => {
    const some = `tables: { domains: { Old.example: { apop: true } } }\n${SECRET}${KEY}`;
    const warning =
      'tables.domains["Old.example"].apop: users of other domains fail with mail programs that choose it by themselves';
    assert.ok(warningsOf(some).includes(warning));
    const chosen = warningsOf(some + listener('mechanisms: [USER, PLAIN]'));
    assert.ok(!chosen.includes(warning));
    const all = `tables: { apop: true, domains: { a.com: { apop: false } } }\n${SECRET}${KEY}`;
    assert.ok(!warningsOf(all).some((each) => each.includes('by themselves')));
  });
});

test('more iterations than all clients compute are doubted, where they are used', () => {
  const many = (tables: string) =>
    warningsOf(`${tables}${SECRET}passwords: { seal_key_file: /key, scram_iterations: 100000 }\n`);
  assert.deepEqual(many('tables: { scram: true }\n'), [
    'passwords.scram_iterations: mail programs may refuse so many',
  ]);
  assert.deepEqual(many(''), []);
});

test('digests without TLS step round a certificate that is demanded', () => {
  const demanding = (who: string) =>
    `listeners: [{ name: a, port: 1, digest_auth: ${who}, client_certificates: { ca_file: /ca } }]
tls: { certificates: [{ certificate: /a, key: /b }] }
tables: { scram: true }\n${SECRET}${KEY}`;
  const [error, hint] = only(demanding('always'));
  assert.equal(error, 'listeners[0].client_certificates: who logs in without TLS shows no certificate');
  assert.match(hint ?? '', /digest_auth: never/);
  good(withRest(demanding('never')));
});

describe('what a listener announces', () => {
  const methods = (tables: string, listed = '') => {
    const { config } = good(withRest(`${tables}${SECRET}${KEY}${listener(listed)}`));
    return methodsOf(config.listeners[0]!, config.tables).join(' ');
  };

  test('is the password, and what some domain offers', () => {
    assert.equal(methods(''), 'USER PLAIN LOGIN');
    assert.equal(methods('tables: { apop: true }\n'), 'USER APOP PLAIN LOGIN CRAM-MD5');
    assert.equal(methods('tables: { scram: true }\n'), 'USER PLAIN LOGIN SCRAM-SHA-256');
    const domain = 'tables: { apop: true, domains: { a.com: { scram: true, apop: false } } }\n';
    assert.equal(methods(domain), 'USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256');
    assert.equal(methods('tables: { domains: { a.com: { scram: false } } }\n'), 'USER PLAIN LOGIN');
  });

  test('is what it lists', () => {
    assert.equal(methods('tables: { apop: true }\n', 'mechanisms: [CRAM-MD5, USER]'), 'USER CRAM-MD5');
    assert.equal(methods('', 'mechanisms: [PLAIN]'), 'PLAIN');
  });

  test('must be offered by a domain', () => {
    const [error, hint] = only(listener('mechanisms: [USER, CRAM-MD5]'));
    assert.equal(error, 'listeners[0].mechanisms[1]: no domain offers it');
    assert.match(hint ?? '', /^set tables\.apop, or tables\.domains\.DOMAIN\.apop, or leave it out$/);
    assert.match(only(listener('mechanisms: [SCRAM-SHA-256]'))[1] ?? '', /tables\.scram/);
    const digests = 'listeners[0].digest_auth: no domain offers APOP, CRAM-MD5 or SCRAM';
    assert.equal(only(listener('digest_auth: always'))[0], digests);
    good(withRest(`tables: { scram: true }\n${SECRET}${KEY}${listener('digest_auth: always')}`));
    good(withRest(listener('digest_auth: []')));
  });

  test('is written as POP3 names it', () => {
    const wrong = (value: string) => errorsOf(withRest(listener(`mechanisms: ${value}`)))[0]?.message ?? '';
    assert.match(wrong('[]'), /at least one way to log in/);
    assert.match(wrong('[NTLM]'), /expected one of USER, APOP, PLAIN/);
    assert.match(wrong('PLAIN'), /expected a list of ways to log in/);
  });

  test('without TLS needs somebody who may', () => {
    const bare = `listeners: [{ name: a, port: 1, tls: off, digest_auth: [10.0.0.0/8] }]\n`;
    good(withRest(`tables: { apop: true }\n${SECRET}${KEY}${bare}`));
  });
});
