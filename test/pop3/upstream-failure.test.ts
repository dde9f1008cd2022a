import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outcomeOf, type UpstreamFailure } from '../../src/pop3/upstream-failure.ts';

/** What the client hears, as 'rejected' or a response code: first where the proxy checked the password, then the upstream. */
const TABLE: Record<UpstreamFailure, [string, string]> = {
  'greeting-refused': ['SYS/TEMP', 'SYS/TEMP'],
  'greeting-invalid': ['SYS/TEMP', 'SYS/TEMP'],
  'own-greeting': ['SYS/PERM', 'SYS/PERM'],
  'reply-too-long': ['SYS/TEMP', 'SYS/TEMP'],
  'reply-invalid': ['SYS/TEMP', 'SYS/TEMP'],
  'stls-refused': ['SYS/PERM', 'SYS/PERM'],
  'octets-before-tls': ['SYS/TEMP', 'SYS/TEMP'],
  'octets-after-greeting': ['SYS/TEMP', 'SYS/TEMP'],
  'octets-out-of-turn': ['SYS/TEMP', 'SYS/TEMP'],
  'unexpected-continuation': ['SYS/TEMP', 'SYS/TEMP'],
  'user-refused': ['SYS/PERM', 'rejected'],
  'login-refused': ['SYS/PERM', 'rejected'],
  'login-auth-refused': ['SYS/PERM', 'rejected'],
  'in-use': ['IN-USE', 'IN-USE'],
  'login-delay': ['LOGIN-DELAY', 'LOGIN-DELAY'],
  'sys-temp': ['SYS/TEMP', 'SYS/TEMP'],
  'sys-perm': ['SYS/PERM', 'SYS/PERM'],
  closed: ['SYS/TEMP', 'SYS/TEMP'],
  'cannot-express': ['SYS/PERM', 'rejected'],
};

const failures = Object.keys(TABLE) as UpstreamFailure[];
const said = (failure: UpstreamFailure, checker: 'proxy' | 'upstream') => {
  const outcome = outcomeOf(failure, checker);
  return outcome.result === 'unavailable' ? outcome.code : outcome.result;
};

describe('what the client hears of an upstream failure', () => {
  it('is in the table, by who checked the password', () => {
    for (const failure of failures) {
      assert.deepEqual([said(failure, 'proxy'), said(failure, 'upstream')], TABLE[failure], failure);
    }
  });

  it("is never a failed login after the proxy's own check", () => {
    for (const failure of failures) assert.equal(outcomeOf(failure, 'proxy').result, 'unavailable', failure);
  });
});
