import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeEntries } from '../../../src/tables/published/redis-format.ts';
import { encodeRows, FINGERPRINT_OCTETS } from '../../../src/tables/published/redis-row.ts';
import {
  HEAD_OCTETS,
  homeOf,
  SLOT_OCTETS,
  SnapshotRefused,
  tagOf,
} from '../../../src/tables/snapshot/format.ts';
import { SnapshotFile } from '../../../src/tables/snapshot/reader.ts';
import {
  indexPieces,
  joinRanges,
  PAIR_OCTETS,
  writePair,
} from '../../../src/tables/snapshot/record-index.ts';
import { DOMAINS_ID, domainKey, type Section, userKey } from '../../../src/tables/snapshot/records.ts';
import { SnapshotWriter } from '../../../src/tables/snapshot/writer.ts';
import type { DomainEntry } from '../../../src/tables/teapop/model.ts';
import { temporaryFolder } from '../../support/temp.ts';

const folder = temporaryFolder('snapshot');
after(() => folder.remove());
const PATH = `${folder.path}/tables.snapshot`;
const EDITION = { generation: 7, publishedAt: 1_700_000_000_000 };

type Users = Map<string, string>;

/** Tables by id, mailboxes by userid; and domains that each are decided by one of them. */
async function write(
  domains: readonly string[],
  tables: ReadonlyMap<string, Users>,
  path = PATH,
): Promise<void> {
  const writer = await SnapshotWriter.create(path);
  const sections = new Map<string, Section & { pairs: number }>();
  const section = async (id: string, add: (number: number) => void) => {
    const number = sections.size;
    const mark = writer.mark;
    add(number);
    await writer.drain();
    const records = writer.mark.pairs - mark.pairs;
    const octets = writer.mark.at - mark.at;
    sections.set(id, { number, generation: 1, source: 'x', at: mark.at, octets, records, pairs: mark.pairs });
  };
  await section(DOMAINS_ID, () => {
    for (const [i, domain] of domains.entries())
      writer.add(domainKey(domain), encodeEntries([entry(domain, i)]));
  });
  for (const [id, users] of tables) {
    await section(id, (number) => {
      for (const [userid, mailbox] of users) writer.add(userKey(number, userid), rows(userid, mailbox));
    });
  }
  const users = [...tables.values()].reduce((sum, each) => sum + each.size, 0);
  const counts = { domains: domains.length, users, nextNumber: sections.size };
  await writer.finish(sections, { prefix: 'test', edition: EDITION, ...counts, date: 1_000 });
}

function entry(domain: string, ordinal: number): DomainEntry {
  const place = { ordinal, line: ordinal + 1, domain, localAddress: '*', type: 'textfile' as const };
  return { ...place, maildir: domain, hashLevels: 0, uid: '', gid: '', table: 't', lockedOut: null };
}

function rows(userid: string, mailbox: string): Buffer {
  const fingerprint = 'f'.repeat(FINGERPRINT_OCTETS);
  return encodeRows(userid, [{ secret: mailbox, mailbox, line: 1, fingerprint }]);
}

async function opened<Result>(use: (file: SnapshotFile) => Promise<Result>, path = PATH): Promise<Result> {
  const file = await SnapshotFile.open(path, 'test');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Some thousand users in two tables. */
function some(users: number): Map<string, Users> {
  const table = (label: string) =>
    new Map(Array.from({ length: users / 2 }, (_, i) => [`user${i}`, `${label}${i}`]));
  return new Map([
    ['one', table('a')],
    ['two', table('b')],
  ]);
}

test('names of any octets are found again, and no others', async () => {
  const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
  const pointed = fc.constantFrom(
    '',
    '\0',
    'd',
    'u',
    't',
    '\x80',
    '\xff',
    'default',
    '{',
    ':',
    '\r\n',
    'one',
  );
  const name = fc.array(fc.oneof(octet, pointed), { maxLength: 5 }).map((parts) => parts.join(''));
  const names = fc.uniqueArray(name, { maxLength: 12 });
  const id = fc.stringMatching(/^[0-9a-z_-]{1,6}$/);
  const tables = fc.uniqueArray(fc.tuple(id, names), { maxLength: 4, selector: ([each]) => each });
  await fc.assert(
    fc.asyncProperty(names, tables, names, async (domains, listed, others) => {
      const users = (userids: string[]): Users => new Map(userids.map((userid) => [userid, `${userid}'s`]));
      const all = new Map(listed.map(([table, userids]) => [table, users(userids)]));
      await write(domains, all);
      await opened(async (file) => {
        await file.verify();
        for (const domain of new Set([...domains, ...others])) {
          const found = (await file.entries(domain)).map((each) => [
            each.domain,
            each.maildir,
            each.generation,
          ]);
          assert.deepEqual(found, domains.includes(domain) ? [[domain, domain, 7]] : []);
        }
        for (const table of [...all.keys(), 'none']) {
          for (const userid of new Set([...listed.flatMap(([, userids]) => userids), ...others])) {
            const mailbox = all.get(table)?.get(userid);
            const expected = mailbox === undefined ? [] : [{ secret: mailbox, mailbox, line: 1 }];
            assert.deepEqual(await file.users(table, userid), expected);
          }
        }
      });
    }),
    { numRuns: 60 },
  );
});

test('thousands of users are found, a long record among them, and the sections are listed', async () => {
  const tables = some(6_000);
  tables.get('one')!.set('long', 'x'.repeat(100_000));
  await write(['a.com', 'b.com'], tables);
  assert.equal(statSync(PATH).mode & 0o777, 0o600);
  await opened(async (file) => {
    await file.verify();
    assert.deepEqual(
      { ...file.head.edition, users: file.head.users, date: file.date },
      { ...EDITION, users: 6_001, date: 1_000 },
    );
    for (const [table, users] of tables) {
      for (const [userid, mailbox] of users)
        assert.equal((await file.users(table, userid))[0]?.mailbox, mailbox);
      assert.deepEqual(await file.users(table, 'nobody'), []);
    }
    const sections = await file.sections();
    assert.deepEqual([...sections.keys()], [DOMAINS_ID, 'one', 'two']);
    assert.deepEqual(
      [...sections.values()].map(({ records }) => records),
      [2, 3_001, 3_000],
    );
  });
  assert.deepEqual(readdirSync(folder.path), ['tables.snapshot'], 'nothing else is left');
});

describe('a file that is not as it was written', () => {
  const broken = `${folder.path}/broken`;

  async function refused(spoil: (path: string) => void, why: RegExp): Promise<void> {
    copyFileSync(PATH, broken);
    chmodSync(broken, 0o600);
    spoil(broken);
    const reading = opened((file) => file.verify(), broken);
    await assert.rejects(
      reading,
      (error: Error) => error instanceof SnapshotRefused && why.test(error.message),
    );
  }

  function flipped(at: number): (path: string) => void {
    return (path) => {
      const octets = readFileSync(path);
      octets[at]! ^= 0x10;
      writeFileSync(path, octets);
    };
  }

  test('is refused wherever it is cut', async () => {
    await write(['a.com'], some(400));
    const { size } = statSync(PATH);
    await refused((path) => truncateSync(path, 0), /no snapshot/);
    await refused((path) => truncateSync(path, HEAD_OCTETS - 1), /no snapshot/);
    for (const length of [HEAD_OCTETS, HEAD_OCTETS + 1, size >> 1, size - 1])
      await refused((path) => truncateSync(path, length), /octets of/);
    await refused((path) => writeFileSync(path, 'x', { flag: 'a' }), /octets of/);
  });

  test('is refused whichever octet differs', async () => {
    await write(['a.com'], some(400));
    const { size } = statSync(PATH);
    await refused(flipped(3), /no snapshot/);
    for (const at of [24, 40, 60, 96, 104, 110])
      await refused(flipped(at), /head is damaged|prefix|octets of/);
    for (let at = HEAD_OCTETS; at < size; at += 97) await refused(flipped(at), /checksum/);
    await refused(flipped(size - 1), /checksum/);
  });

  test('is refused with another version, prefix or mode', async () => {
    await write(['a.com'], some(4));
    await refused(flipped(19), /in format/);
    await refused(flipped(23), /in format/);
    await assert.rejects(SnapshotFile.open(PATH, 'other'), /of the prefix test/);
    await refused((path) => chmodSync(path, 0o620), /others than its owner/);
    await refused((path) => chmodSync(path, 0o602), /others than its owner/);
  });

  test('serves with the date before where the last one was torn, and with none not at all', async () => {
    await write(['a.com'], some(4));
    await opened((file) => file.confirm(2_000));
    assert.equal(await opened(async (file) => file.date), 2_000);
    await opened((file) => file.confirm(3_000));
    assert.equal(await opened(async (file) => file.date), 3_000);
    // The third date stands where the first one stood.
    const dateOf = async (spoil: (path: string) => void) => {
      copyFileSync(PATH, broken);
      spoil(broken);
      return opened(async (file) => file.date, broken);
    };
    assert.equal(await dateOf(flipped(256)), 2_000);
    assert.equal(await dateOf(flipped(384)), 3_000);
    await assert.rejects(
      dateOf((path) => {
        flipped(256)(path);
        flipped(384)(path);
      }),
      /dates are damaged/,
    );
    await opened((file) => file.verify());
  });
});

test('what was begun and given up leaves the file that is there', async () => {
  await write(['a.com'], some(4));
  const before = readFileSync(PATH);
  const writer = await SnapshotWriter.create(PATH);
  writer.add(domainKey('b.com'), encodeEntries([]));
  await writer.abandon();
  assert.deepEqual(readFileSync(PATH), before);
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.startsWith('tables')),
    ['tables.snapshot'],
  );
});

test('who looks up or reads while the file is closed gets an answer first', async () => {
  await write(['a.com'], some(400));
  for (const ask of [
    async (file: SnapshotFile) => (await file.users('one', 'user7'))[0]!.mailbox,
    async (file: SnapshotFile) => (await file.entries('a.com')).length,
    (file: SnapshotFile) => file.verify(),
    (file: SnapshotFile) => file.confirm(5_000),
  ]) {
    const file = await SnapshotFile.open(PATH, 'test');
    const expected = await opened<unknown>(ask);
    const asked = ask(file);
    const closed = file.close();
    assert.equal(await asked, expected);
    await closed;
    await assert.rejects(ask(file));
  }
});

test('the index is the same to look up in, in whatever pieces it is made', async () => {
  const hash = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 30, 2 ** 32 - 1));
  await fc.assert(
    fc.asyncProperty(
      fc.array(hash, { maxLength: 80 }),
      fc.nat(20),
      fc.nat(10),
      async (hashes, left, least) => {
        const octets = Buffer.alloc(hashes.length * PAIR_OCTETS);
        for (const [i, each] of hashes.entries()) writePair(octets.subarray(i * PAIR_OCTETS), each, i + 1);
        const pairs = await open(folder.file('pairs', octets), 'r');
        // Some in the middle belong to nothing.
        const ranges = joinRanges([
          { from: Math.min(hashes.length, left + 5), to: hashes.length },
          { from: 0, to: Math.min(hashes.length, left) },
        ]);
        const live = new Set(
          ranges.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)),
        );
        const slots = live.size + 3;
        const index = Buffer.concat(await Array.fromAsync(indexPieces(pairs, ranges, slots, least + 1)));
        await pairs.close();
        assert.ok(index.length >= slots * SLOT_OCTETS);
        for (const [i, each] of hashes.entries()) {
          assert.equal(isFound(index, slots, each, i + 1), live.has(i));
        }
      },
    ),
    { numRuns: 200 },
  );
});

function isFound(index: Buffer, slots: number, hash: number, place: number): boolean {
  for (let at = homeOf(hash, slots) * SLOT_OCTETS; at < index.length; at += SLOT_OCTETS) {
    const found = index.readUIntBE(at + 2, 6);
    if (found === 0) return false;
    if (found === place && index.readUInt16BE(at) === tagOf(hash)) return true;
  }
  return false;
}
