import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createSealer, readSealKey, SealBroken } from '../../src/auth/seal.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const sealer = createSealer(KEY);
const john = { table: 'a1b2', userid: 'john' };

describe('sealed passwords', () => {
  test('open for the row they were sealed for', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet));
    for (const password of ['', 'j04n4CmE', 'p\xe4ss', all, 'x'.repeat(5000)]) {
      const sealed = sealer.seal(password, john);
      assert.match(sealed, /^\{SEALED\}[0-9a-f]{8}\$[A-Za-z0-9+/=]+$/);
      assert.equal(sealer.open(sealed, john), password);
    }
  });

  test('a value sealed before opens with the same key', () => {
    const sealed = createSealer(KEY).seal('secret', john);
    assert.equal(createSealer(Buffer.from(KEY)).open(sealed, john), 'secret');
  });

  test('two of the same password differ', () => {
    assert.notEqual(sealer.seal('secret', john), sealer.seal('secret', john));
  });

  test('moved to another user or table they do not open', () => {
    const sealed = sealer.seal('secret', john);
    const others = [
      { table: 'a1b2', userid: 'jane' },
      { table: 'a1b3', userid: 'john' },
      { table: 'a1b', userid: '2john' },
      { table: 'a1b2', userid: 'john\0' },
      { table: 'a1b2\0john', userid: '' },
    ];
    for (const other of others) assert.throws(() => sealer.open(sealed, other), SealBroken);
  });

  test('with any octet changed they do not open, nor cut short', () => {
    const sealed = sealer.seal('secret', john);
    const [prefix, body] = [sealed.slice(0, 17), Buffer.from(sealed.slice(17), 'base64')];
    for (let i = 0; i < body.length; i++) {
      const changed = Buffer.from(body);
      changed[i]! ^= 1;
      assert.throws(() => sealer.open(prefix + changed.toString('base64'), john), SealBroken);
      assert.throws(() => sealer.open(prefix + body.subarray(0, i).toString('base64'), john), SealBroken);
    }
  });

  test('another key is told by its name, which does not hold the key', () => {
    const other = createSealer(Buffer.alloc(32, 7));
    const sealed = other.seal('secret', john);
    assert.notEqual(other.keyId, sealer.keyId);
    assert.equal(sealer.isOwn(sealed), false);
    assert.equal(other.isOwn(sealed), true);
    assert.throws(() => sealer.open(sealed, john), /another key/);
    assert.throws(() => sealer.open('secret', john), SealBroken);
    const forged = sealed.replace(other.keyId, sealer.keyId);
    assert.throws(() => sealer.open(forged, john), SealBroken);
  });

  test('a key has 32 octets', () => {
    for (const length of [0, 16, 31, 33]) assert.throws(() => createSealer(Buffer.alloc(length)), RangeError);
  });
});

describe('the key file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'seal-'));
  after(() => rmSync(folder, { recursive: true }));
  function file(content: string | Buffer): string {
    const path = join(folder, 'key');
    writeFileSync(path, content);
    return path;
  }

  test('raw, or base64 with or without padding and newline', async () => {
    const text = KEY.toString('base64');
    for (const content of [KEY, text, `${text}\n`, `${text.replace('=', '')}\r\n`]) {
      assert.deepEqual(await readSealKey(file(content)), KEY);
    }
  });

  test('anything else is refused without being shown', async () => {
    const bad = [
      '',
      'sesame',
      Buffer.alloc(33),
      Buffer.alloc(31).toString('base64'),
      `${KEY.toString('hex')}\n`,
    ];
    for (const content of bad) {
      await assert.rejects(readSealKey(file(content)), (error: Error) => {
        assert.match(error.message, /32 octets/);
        assert.ok(!error.message.includes('sesame'));
        return true;
      });
    }
  });
});
