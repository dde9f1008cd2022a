import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { authorizationPolicy } from '../../src/pop3/capability.ts';
import { commonCapabilities, takesPipelining } from '../../src/pop3/upstream-capability.ts';
import { SETTINGS } from './drive.ts';

const DOVECOT = [
  'CAPA',
  'TOP',
  'UIDL',
  'RESP-CODES',
  'PIPELINING',
  'AUTH-RESP-CODE',
  'STLS',
  'USER',
  'SASL PLAIN LOGIN',
];

describe('what all mailstores have', () => {
  it('is what one announces, less what the login itself decides or the proxy does not know', () => {
    assert.deepEqual(commonCapabilities([DOVECOT]), [
      'TOP',
      'UIDL',
      'RESP-CODES',
      'PIPELINING',
      'AUTH-RESP-CODE',
    ]);
    const other = ['USER', 'SASL PLAIN', 'STLS', 'IMPLEMENTATION x', 'UTF8 USER', 'LANG', 'APOP', 'X-OWN'];
    assert.deepEqual(commonCapabilities([other]), ['AUTH-RESP-CODE']);
  });

  it('is of several what each of them announces', () => {
    assert.deepEqual(commonCapabilities([DOVECOT, ['UIDL', 'USER']]), ['UIDL', 'AUTH-RESP-CODE']);
    assert.deepEqual(commonCapabilities([DOVECOT, DOVECOT, []]), ['AUTH-RESP-CODE']);
  });

  it("is the proxy's own alone where a mailstore has no CAPA, and where none has answered", () => {
    assert.deepEqual(commonCapabilities([]), ['AUTH-RESP-CODE']);
    assert.deepEqual(commonCapabilities([DOVECOT, null]), ['AUTH-RESP-CODE']);
  });

  it('is found in any letter case, at the beginning of a line', () => {
    assert.deepEqual(commonCapabilities([['top', 'Uidl ', 'X TOP', 'PIPELININGS']]), [
      'TOP',
      'UIDL',
      'AUTH-RESP-CODE',
    ]);
  });
});

/** The line that is announced of what each mailstore says; a mailstore that says nothing is ''. */
function common(tag: string, ...said: string[]): string | undefined {
  const stores = said.map((parameters) => (parameters === '' ? [] : [`${tag} ${parameters}`]));
  const line = commonCapabilities(stores).find((each) => each.startsWith(tag));
  return line?.slice(tag.length + 1);
}

describe('EXPIRE', () => {
  it('is the shortest time, and may be another where it is not the same for all', () => {
    assert.equal(common('EXPIRE', '30'), '30');
    assert.equal(common('EXPIRE', 'NEVER'), 'NEVER');
    assert.equal(common('EXPIRE', '0'), '0');
    assert.equal(common('EXPIRE', '30 USER'), '30 USER');
    assert.equal(common('EXPIRE', '30', '30'), '30');
    assert.equal(common('EXPIRE', '30', '7', 'NEVER'), '7 USER');
    assert.equal(common('EXPIRE', 'never', 'NEVER user'), 'NEVER USER');
  });

  it('is not announced where a mailstore does not, or says what is none', () => {
    for (const other of ['', 'x', '-1', '1.5', '9999999999', '5days'])
      assert.equal(common('EXPIRE', '30', other), undefined, other);
    assert.equal(common('EXPIRE', ''), undefined);
  });
});

describe('LOGIN-DELAY', () => {
  it('is the longest one, and may be another where it is not the same for all', () => {
    assert.equal(common('LOGIN-DELAY', '900'), '900');
    assert.equal(common('LOGIN-DELAY', '900 USER'), '900 USER');
    assert.equal(common('LOGIN-DELAY', '900', '60'), '900 USER');
    assert.equal(common('LOGIN-DELAY', '900', ''), '900 USER');
    assert.equal(common('LOGIN-DELAY', '900', '900'), '900');
  });

  it('is not announced where there is none', () => {
    for (const none of ['', '0', 'x', '-5', 'NEVER'])
      assert.equal(common('LOGIN-DELAY', none), undefined, none);
  });
});

describe('PIPELINING', () => {
  it('is taken where it is announced', () => {
    assert.equal(takesPipelining(DOVECOT), true);
    assert.equal(takesPipelining(['pipelining']), true);
    for (const lines of [null, [], ['TOP'], ['X-PIPELINING'], ['XPIPELINING PIPELINING']])
      assert.equal(takesPipelining(lines), false);
  });
});

it('whatever mailstores say, what comes of it can be announced', () => {
  const tag = fc.constantFrom(
    'TOP',
    'EXPIRE',
    'LOGIN-DELAY',
    'expire 5',
    'LOGIN-DELAY 60 USER',
    'STLS',
    'UTF8',
  );
  const line = fc.oneof(
    fc.string(),
    fc.tuple(tag, fc.string()).map(([head, rest]) => `${head} ${rest}`),
  );
  fc.assert(
    fc.property(fc.array(fc.option(fc.array(line)), { maxLength: 4 }), (announced) => {
      const capabilities = commonCapabilities(announced);
      const policy = authorizationPolicy({ ...SETTINGS, capabilities });
      assert.ok(policy.offers.tls.capa.length > 0);
      const tags = capabilities.map((each) => each.split(' ')[0]);
      assert.equal(new Set(tags).size, tags.length);
    }),
  );
});
