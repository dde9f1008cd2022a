import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Libcrypt, openLibcrypt } from '../../src/auth/libcrypt.ts';
import { createPasswordTools } from '../../src/auth/password-tools.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createScramSalts } from '../../src/auth/scram-salts.ts';
import { createSealer } from '../../src/auth/seal.ts';

const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };
const sealer = createSealer(Buffer.alloc(32, 1));
const tools = createPasswordTools(CHEAP, sealer);
const DES = 'CCNf8Sbh3HDfQ';

describe('what publishing is handed', () => {
  test('what it hashes or seals is verified at the login', async () => {
    const passwords = createPasswords({ sealer });
    const context = { type: 'textfile', table: 'a1b2', userid: 'john' } as const;
    for (const secret of [await tools.hash('p\xe4ss'), tools.sealer!.seal('p\xe4ss', context)]) {
      assert.equal(await passwords.verify(secret, 'p\xe4ss', context), true);
      assert.equal(await passwords.verify(secret, 'pass', context), false);
    }
  });

  test("SCRAM's keys are those of their place, current until key, place or iterations change", async () => {
    const key = Buffer.alloc(32, 1);
    const made = (iterations: number, octets = key) =>
      createPasswordTools(CHEAP, null, createScramSalts(octets, iterations)).scram!;
    const place = { table: 'a1b2', userid: 'john' };
    const scram = made(4096);
    const keys = await scram.make('p\xe4ss', place);
    const passwords = createPasswords({ sealer: null });
    assert.equal(await passwords.verify(keys, 'p\xe4ss', { type: 'textfile', ...place }), true);
    assert.equal(scram.isCurrent(keys, place), true);
    for (const elsewhere of [
      { ...place, userid: 'jane' },
      { ...place, table: 'c3d4' },
    ])
      assert.equal(scram.isCurrent(keys, elsewhere), false);
    for (const other of [made(5000), made(4096, Buffer.alloc(32, 2))]) {
      assert.equal(other.isCurrent(keys, place), false);
      assert.notEqual(other.settings, scram.settings);
    }
    for (const stored of ['', '$argon2id$', await tools.hash('x')])
      assert.equal(scram.isCurrent(stored, place), false);
    assert.equal(tools.scram, null);
  });

  test('a hash is current until a parameter changes, and so are the settings', async () => {
    const hash = await tools.hash('x');
    assert.equal(tools.isCurrent(hash), true);
    for (const change of [{ memory: 128 * 1024 }, { time: 2 }, { parallelism: 2 }]) {
      const changed = createPasswordTools({ ...CHEAP, ...change }, null);
      assert.equal(changed.isCurrent(hash), false);
      assert.notEqual(changed.hashSettings, tools.hashSettings);
    }
  });

  test('crypt(3) strings that no password can match are told, without a part of them', () => {
    assert.equal(tools.hashProblem(DES), null);
    assert.equal(tools.hashProblem('$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0'), null);
    for (const hash of ['', '*', 'hunter2', '$apr1$hunter2$x', '{SHA}hunter2', `${DES}x`, '$2b$31$hunter2']) {
      const problem = tools.hashProblem(hash);
      assert.equal(typeof problem, 'string', hash);
      assert.ok(!problem?.includes('hunter2'));
    }
  });

  test('a method that this libcrypt was built without is told; without a libcrypt nothing is', () => {
    const without: Libcrypt = { ...openLibcrypt(), support: () => 'unsupported' };
    assert.match(createPasswordTools(CHEAP, null, null, () => without).hashProblem(DES) ?? '', /libcrypt/);
    const missing = () => openLibcrypt(['libcrypt.so.none']);
    assert.equal(createPasswordTools(CHEAP, null, null, missing).hashProblem(DES), null);
    const broken = () => assert.fail('broken');
    assert.throws(() => createPasswordTools(CHEAP, null, null, broken).hashProblem(DES), /broken/);
  });

  test('libcrypt is opened once for all rows, and asked once for each method', () => {
    const real = openLibcrypt();
    let opened = 0;
    const asked: string[] = [];
    const counting = createPasswordTools(CHEAP, null, null, () => {
      opened++;
      return {
        ...real,
        support: (hash) => {
          asked.push(hash);
          return hash.startsWith('$1$') ? 'unsupported' : real.support(hash);
        },
      };
    });
    const MD5 = '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
    const bcrypt = (letter: string) => `$2${letter}$05$${'a'.repeat(53)}`;
    const rows = [DES, MD5, bcrypt('y'), bcrypt('b')];
    for (let i = 0; i < 3; i++) {
      for (const hash of rows) assert.equal(counting.hashProblem(hash) !== null, hash === MD5, hash);
      // Of one method, and each looked at for itself.
      assert.notEqual(counting.hashProblem(`${DES}x`), null);
    }
    assert.equal(opened, 1);
    assert.deepEqual(asked, rows);

    let missing = 0;
    const none = createPasswordTools(CHEAP, null, null, () => {
      missing++;
      return openLibcrypt(['libcrypt.so.none']);
    });
    for (const hash of rows) assert.equal(none.hashProblem(hash), null);
    assert.equal(missing, 1);
  });
});
