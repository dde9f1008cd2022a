import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, type Sides } from '../../../src/tables/inspect/agreement.ts';
import { createFingerprints } from '../../../src/tables/published/fingerprint.ts';
import type { StoredRow } from '../../../src/tables/published/redis-row.ts';
import type { DomainEntry } from '../../../src/tables/teapop/model.ts';
import type { PasswordRow } from '../../../src/tables/teapop/password-file.ts';

const prints = createFingerprints(Buffer.alloc(32, 1));
const entry: DomainEntry = {
  ...{ ordinal: 0, line: 3, domain: 'acme.com', localAddress: '*', type: 'textfile', maildir: '/m' },
  ...{ hashLevels: 0, uid: 'mail', gid: 'mail', table: 't', lockedOut: null },
};
const file: PasswordRow = { type: 'textfile', userid: 'john', password: 'pw', mailbox: 'box', line: 5 };
const stored: StoredRow = {
  ...{ secret: '$argon2id$…', mailbox: 'box', line: 5 },
  fingerprint: prints.row('argon2id', 'john', 'pw', 'box'),
};
const SOURCE = '/users, up to 10 lines';

/** Both sides the same but for this. */
function sides(files: Partial<Sides['files']> = {}, redis: Partial<Sides['redis']> = {}): Sides {
  return {
    files: { entry, source: SOURCE, rows: [file], ...files },
    redis: { entry: { ...entry, generation: 7 }, source: SOURCE, rows: [stored], ...redis },
  };
}

const whatDiffers = (both: Sides, key = prints) => compare(both, key).differences.map(({ what }) => what);

test('the same entry and rows agree, whatever the password became', () => {
  assert.deepEqual(compare(sides(), prints), { differences: [], complete: true, moved: false });
  for (const form of ['argon2id', 'sealed', 'scram']) {
    const became = { ...stored, fingerprint: prints.row(form, 'john', 'pw', 'box') };
    assert.deepEqual(whatDiffers(sides({}, { rows: [became] })), [], form);
  }
  const nobody = sides({ entry: null, source: null, rows: [] }, { entry: null, source: null, rows: [] });
  assert.deepEqual(compare(nobody, null), { differences: [], complete: true, moved: false });
});

test('each difference is named', () => {
  assert.deepEqual(whatDiffers(sides({ rows: [{ ...file, password: 'other' }] })), ['password']);
  assert.deepEqual(whatDiffers(sides({ rows: [{ ...file, mailbox: 'other' }] })), ['mailbox']);
  assert.deepEqual(whatDiffers(sides({ rows: [] })), ['lines of the user']);
  assert.deepEqual(whatDiffers(sides({ entry: { ...entry, maildir: '/other', uid: '+' } })), [
    'maildir',
    'uid',
  ]);
  assert.deepEqual(whatDiffers(sides({ entry: { ...entry, lockedOut: 'a blank uid' } })), ['lock']);
  assert.deepEqual(whatDiffers(sides({ source: '/other, up to 10 lines' })), ['password file']);
  const resolved = { ...entry, localName: 'mail.acme.com', localAddress: '192.0.2.1' };
  const moved = { ...resolved, localAddress: '192.0.2.2' };
  assert.deepEqual(whatDiffers(sides({ entry: resolved }, { entry: moved })), ['address of the localip']);
});

test('where another entry decides, rows have nothing to say', () => {
  const other = { ...entry, domain: 'default' };
  assert.deepEqual(whatDiffers(sides({ entry: other, rows: [] })), ['entry']);
  assert.deepEqual(whatDiffers(sides({ entry: null, rows: [] })), ['entry']);
  assert.deepEqual(whatDiffers(sides({ entry: { ...entry, type: 'reject' }, rows: [] })), ['type']);
});

test('without the key the passwords of textfiles are not compared, and hashes all the same', () => {
  assert.deepEqual(compare(sides({ rows: [{ ...file, password: 'other' }] }), null), {
    ...{ differences: [], complete: false, moved: false },
  });
  const crypt: PasswordRow = {
    type: 'htpasswd',
    userid: 'john',
    hash: 'absA8pA3VMtHY',
    mailbox: 'box',
    line: 5,
  };
  for (const [secret, differences] of [
    ['absA8pA3VMtHY', 0],
    ['{CRYPT}absA8pA3VMtHY', 0],
    ['absA8pA3VMtHX', 1],
  ] as const) {
    const { differences: found, complete } = compare(
      sides({ rows: [crypt] }, { rows: [{ ...stored, secret }] }),
      null,
    );
    assert.deepEqual([found.length, complete], [differences, true]);
  }
});

test('lines that moved are no difference, and told', () => {
  for (const both of [sides({ rows: [{ ...file, line: 6 }] }), sides({ entry: { ...entry, line: 4 } })]) {
    assert.deepEqual(compare(both, prints), { differences: [], complete: true, moved: true });
  }
});

test('no difference shows a password or a hash', () => {
  const text = JSON.stringify(compare(sides({ rows: [{ ...file, password: 'secret' }] }), prints));
  assert.ok(!text.includes('secret') && !text.includes('argon2id'), text);
});
