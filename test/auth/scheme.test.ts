import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import { type Libcrypt, LibcryptMissing, openLibcrypt } from '../../src/auth/libcrypt.ts';
import { createPasswords, inspectSecret, type SecretContext, SecretUnusable } from '../../src/auth/scheme.ts';
import { createSealer, SealBroken } from '../../src/auth/seal.ts';

const sealer = createSealer(Buffer.alloc(32, 1));
const passwords = createPasswords({ sealer });
const textfile: SecretContext = { type: 'textfile', table: 'a1b2', userid: 'john' };
const htpasswd: SecretContext = { ...textfile, type: 'htpasswd' };
const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };

const PASSWORDS = ['', 'j04n4CmE', ' with  spaces ', 'p\xe4ss', 'p\xc3\xa4ss', '{PLAIN}x', '$1$a$b', '*'];

describe('a textfile row', () => {
  const forms: Record<string, (password: string) => Promise<string>> = {
    plain: async (password) => `{PLAIN}${password}`,
    argon2id: (password) => hashPassword(password, CHEAP),
    sealed: async (password) => sealer.seal(password, textfile),
  };
  for (const [name, store] of Object.entries(forms)) {
    test(`${name}: each password matches its own row and no other`, async () => {
      for (const stored of PASSWORDS) {
        const secret = await store(stored);
        assert.equal(inspectSecret(secret, 'textfile').scheme, name);
        for (const offered of PASSWORDS) {
          const matches = await passwords.verify(secret, offered, textfile);
          assert.equal(matches, offered === stored, `${offered} against ${stored}`);
        }
      }
    });
  }

  test('a form that is none is no wrong password', async () => {
    const bad = [
      '',
      'secret',
      '$1$abc$def',
      '{plain}x',
      '$argon2id$v=19$m=104857600,t=1,p=1$c29tZXNhbHQ$nf65',
    ];
    for (const secret of bad) {
      await assert.rejects(async () => passwords.verify(secret, secret, textfile), SecretUnusable);
      const { cost, problem } = inspectSecret(secret, 'textfile');
      assert.equal(cost, 'none');
      assert.notEqual(problem, null);
    }
  });

  test('a sealed row of another user, or without a key, is no wrong password', async () => {
    const sealed = sealer.seal('secret', textfile);
    await assert.rejects(
      async () => passwords.verify(sealed, 'secret', { ...textfile, userid: 'jane' }),
      SealBroken,
    );
    const keyless = createPasswords({ sealer: null });
    await assert.rejects(async () => keyless.verify(sealed, 'secret', textfile), SealBroken);
  });

  test('no error holds the secret or the password', async () => {
    const phc = (await hashPassword('hunter2', CHEAP)).replace('m=64', 'm=99999999');
    for (const secret of [phc, 'hunter2', sealer.seal('hunter2', textfile)]) {
      const check = async () => passwords.verify(secret, 'hunter2', { ...textfile, userid: 'jane' });
      await assert.rejects(check, (error: Error) => {
        const tail = secret.slice(-12);
        return !error.message.includes(tail) && !error.message.includes('hunter2');
      });
    }
  });
});

describe('an htpasswd row', () => {
  test('verifies with libcrypt', async () => {
    const hash = '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
    assert.equal(await passwords.verify(hash, '0.s0.l33t', htpasswd), true);
    assert.equal(await passwords.verify(hash, '0.s0.l33T', htpasswd), false);
  });

  test('is never taken for a form of ours, as teapop would not either', async () => {
    const forms = ['{PLAIN}secret', sealer.seal('secret', htpasswd), await hashPassword('secret', CHEAP)];
    for (const secret of forms) {
      assert.equal(await passwords.verify(secret, 'secret', htpasswd), false);
      assert.equal(inspectSecret(secret, 'htpasswd').scheme, 'unknown');
      assert.notEqual(inspectSecret(secret, 'htpasswd').problem, null);
    }
  });

  test('a hash that nobody knows, an empty or a locked one matches nothing', async () => {
    for (const secret of ['', '*', '!', '*0', 'x', '$apr1$a$b', '{SHA}abc']) {
      for (const password of ['', 'x', secret]) {
        assert.equal(await passwords.verify(secret, password, htpasswd), false);
      }
    }
  });

  test('one that asks for too much is refused before libcrypt sees it', async () => {
    const none = (): Libcrypt => assert.fail('opened');
    const guarded = createPasswords({ sealer: null, libcrypt: none });
    for (const secret of ['$6$rounds=999999999$salt$x', '$y$jFT$salt$x', '$2b$31$abcdefghijklmnopqrstuu']) {
      await assert.rejects(async () => guarded.verify(secret, 'x', htpasswd), SecretUnusable);
      assert.equal(inspectSecret(secret, 'htpasswd').cost, 'none');
    }
  });

  test('without a libcrypt: an error for these rows, service for all others', async () => {
    const missing = createPasswords({ sealer: null, libcrypt: () => openLibcrypt(['libcrypt.so.none']) });
    await assert.rejects(async () => missing.verify('abXowqhno0EF6', 'x', htpasswd), LibcryptMissing);
    assert.equal(await missing.verify('{PLAIN}x', 'x', textfile), true);
  });
});

describe('which forms need a permit', () => {
  test('those that the thread pool computes', async () => {
    assert.equal(inspectSecret('{PLAIN}x', 'textfile').cost, 'none');
    assert.equal(inspectSecret(sealer.seal('x', textfile), 'textfile').cost, 'none');
    assert.equal(inspectSecret(await hashPassword('x', CHEAP), 'textfile').cost, 'heavy');
    assert.equal(inspectSecret('abXowqhno0EF6', 'htpasswd').cost, 'light');
    const bcrypt = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
    assert.equal(inspectSecret(bcrypt, 'htpasswd').cost, 'heavy');
    assert.equal(inspectSecret(bcrypt.slice(0, -1), 'htpasswd').cost, 'light');
  });
});
