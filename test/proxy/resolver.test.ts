import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { Resolver } from '../../src/proxy/resolver.ts';
import { waited } from '../support/clock.ts';

/** A clock that jumps: an answer is older than fresh from then on. */
function later(): () => void {
  const now = performance.now.bind(performance);
  let ahead = 0;
  const spy = mock.method(performance, 'now', () => now() + ahead);
  ahead = 31_000;
  return () => spy.mock.restore();
}

describe('the resolver', () => {
  test('asks the system for a name, and nobody for an address', async () => {
    assert.ok((await new Resolver().resolve('localhost')).some((a) => a === '127.0.0.1' || a === '::1'));
    const nobody = new Resolver(() => Promise.reject(new Error('asked')));
    assert.deepEqual(await nobody.resolve('192.0.2.1'), ['192.0.2.1']);
    assert.deepEqual(await nobody.resolve('2001:db8::1'), ['2001:db8::1']);
  });

  test('asks once for any number of logins, and again when the answer has aged', async () => {
    let asked = 0;
    const resolver = new Resolver(async () => [`192.0.2.${++asked}`]);
    const answers = await Promise.all(Array.from({ length: 100 }, () => resolver.resolve('mail.test')));
    assert.ok(answers.every(([address]) => address === '192.0.2.1'));
    assert.deepEqual(await resolver.resolve('mail.test'), ['192.0.2.1']);
    const restore = later();
    assert.deepEqual(await resolver.resolve('mail.test'), ['192.0.2.2']);
    restore();
    assert.equal(asked, 2);
  });

  test('tells of a name that was never resolved, and asks anew the next time', async () => {
    let asked = 0;
    const resolver = new Resolver(async () => {
      if (++asked === 1) throw new Error('ENOTFOUND');
      return ['192.0.2.1'];
    });
    const two = await Promise.allSettled([resolver.resolve('mail.test'), resolver.resolve('mail.test')]);
    assert.deepEqual(
      two.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.deepEqual(await resolver.resolve('mail.test'), ['192.0.2.1']);
    assert.equal(asked, 2);
  });

  for (const [what, trouble] of [
    ['fails', () => Promise.reject(new Error('ESERVFAIL'))],
    ['hangs', () => new Promise<never>(() => {})],
  ] as const) {
    test(`goes on with the last answer while the DNS ${what}`, async () => {
      let asked = 0;
      const resolver = new Resolver(async () => (++asked === 1 ? ['192.0.2.1'] : trouble()));
      await resolver.resolve('mail.test');
      const restore = later();
      const took = await waited(async () => {
        const answers = await Promise.all([resolver.resolve('mail.test'), resolver.resolve('mail.test')]);
        assert.deepEqual(answers, [['192.0.2.1'], ['192.0.2.1']]);
      });
      restore();
      assert.ok(took < 2_000, `${took} ms`);
      assert.equal(asked, 2, 'one question for both');
    });
  }
});
