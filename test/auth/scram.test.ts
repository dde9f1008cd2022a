import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createPasswords, inspectSecret } from '../../src/auth/scheme.ts';
import { checkProof, formatKeys, makeKeys, parseKeys, scramDummy, verifyKeys } from '../../src/auth/scram.ts';
import { createScramSalts } from '../../src/auth/scram-salts.ts';
import { decodeBase64, encodeBase64 } from '../../src/pop3/base64.ts';

/** RFC 7677 §3: the password is "pencil". */
const SALTED = { salt: decodeBase64('W22ZaJ0SNY7soEsUEjb6gQ==')!, iterations: 4096 };
const NONCE = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const AUTH_MESSAGE = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${NONCE}`;
const PROOF = decodeBase64('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=')!;
const SIGNATURE = '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';
const pencil = await makeKeys('pencil', SALTED);
const CONTEXT = { type: 'textfile', table: 't', userid: 'user' } as const;

describe("RFC 7677's example", () => {
  test('the proof is right, and the signature is what the client waits for', () => {
    assert.equal(encodeBase64(checkProof(pencil, AUTH_MESSAGE, PROOF)!), SIGNATURE);
  });

  test('any other proof, message or password is wrong', async () => {
    for (let at = 0; at < PROOF.length; at++) {
      const wrong = PROOF.slice(0, at) + String.fromCharCode(PROOF.charCodeAt(at) ^ 1) + PROOF.slice(at + 1);
      assert.equal(checkProof(pencil, AUTH_MESSAGE, wrong), null);
    }
    assert.equal(checkProof(pencil, `${AUTH_MESSAGE} `, PROOF), null);
    assert.equal(checkProof(pencil, AUTH_MESSAGE, PROOF.slice(1)), null);
    assert.equal(checkProof(pencil, AUTH_MESSAGE, ''), null);
    assert.equal(checkProof(await makeKeys('Pencil', SALTED), AUTH_MESSAGE, PROOF), null);
  });
});

describe('stored keys', () => {
  const stored = formatKeys(pencil);

  test("come back as they were, in Dovecot's form", () => {
    assert.match(stored, /^\{SCRAM-SHA-256\}4096,W22ZaJ0SNY7soEsUEjb6gQ==,[\w+/]{43}=,[\w+/]{43}=$/);
    assert.deepEqual(parseKeys(stored), pencil);
  });

  test('check a password that was sent', async () => {
    const passwords = createPasswords({ sealer: null });
    assert.equal(await passwords.verify(stored, 'pencil', CONTEXT), true);
    for (const wrong of ['', 'Pencil', 'pencil ', stored]) {
      assert.equal(await passwords.verify(stored, wrong, CONTEXT), false);
    }
    assert.equal(passwords.reveal(stored, CONTEXT), null);
    assert.deepEqual(inspectSecret(stored, 'textfile'), {
      scheme: 'scram-sha-256',
      cost: 'heavy',
      memory: 0,
      problem: null,
    });
    const htpasswd = { ...CONTEXT, type: 'htpasswd' } as const;
    assert.equal(await passwords.verify(stored, 'pencil', htpasswd), false);
  });

  test('that are broken, or ask for too much, are no wrong password', async () => {
    const [head, salt, ...keys] = stored.split(',');
    const broken = ['{SCRAM-SHA-256}', `${stored},`, `${stored}x`, [head, salt, keys[0]].join(',')];
    const odd = [
      [head, 'W22ZaJ0S=', ...keys],
      [head, salt, 'YQ==', keys[1]],
      ['{SCRAM-SHA-256}0', salt, ...keys],
    ];
    const dear = [
      ['{SCRAM-SHA-256}1000001', salt, ...keys],
      [head, encodeBase64('s'.repeat(65)), ...keys],
    ];
    const passwords = createPasswords({ sealer: null });
    for (const secret of [...broken, ...[...odd, ...dear].map((parts) => parts.join(','))]) {
      assert.equal(typeof parseKeys(secret), 'string', secret);
      await assert.rejects(
        async () => passwords.verify(secret, 'pencil', CONTEXT),
        /^SecretUnusable: stored SCRAM keys: /,
      );
      assert.notEqual(inspectSecret(secret, 'textfile').problem, null);
    }
  });

  test('are not those of the password with NULs behind it, though HMAC cannot tell', async () => {
    const same = await makeKeys('pencil\0', pencil);
    assert.deepEqual(same.storedKey, pencil.storedKey);
    assert.equal(await verifyKeys(pencil, 'pencil\0'), false);
  });

  test('a dummy takes any password, and accepts none', async () => {
    assert.equal(await scramDummy(4096)('pencil'), false);
    assert.equal(await verifyKeys(pencil, 'pencil'), true);
  });
});

describe('salts', () => {
  const key = Buffer.alloc(32, 7);
  const salts = createScramSalts(key, 4096);
  const place = { table: 't', userid: 'john' };

  test('are the same each time, for everybody with the key', () => {
    assert.deepEqual(salts.saltOf(place), createScramSalts(Buffer.from(key), 4096).saltOf(place));
    assert.deepEqual([salts.saltOf(place).salt.length, salts.saltOf(place).iterations], [16, 4096]);
  });

  test('are others for each user, table and key', () => {
    const others = [
      { table: 't', userid: 'jane' },
      { table: 'u', userid: 'john' },
      { table: 'tj', userid: 'ohn' },
    ];
    const all = [place, ...others].map((each) => salts.saltOf(each).salt);
    all.push(createScramSalts(Buffer.alloc(32, 8), 4096).saltOf(place).salt);
    assert.equal(new Set(all).size, 5);
    assert.notEqual(salts.keyId, createScramSalts(Buffer.alloc(32, 8), 4096).keyId);
  });
});
