import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hashPassword } from '../../../src/auth/argon2.ts';
import { decodeBetter, encodeBetter } from '../../../src/tables/published/better-hash.ts';
import { readDiagnostics } from '../../../src/tables/published/kept-diagnostics.ts';
import { redisKeys } from '../../../src/tables/published/redis-keys.ts';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import type { UserRow } from '../../../src/tables/teapop/model.ts';
import { holdsCrypt, tableId } from '../../../src/tables/teapop/table-id.ts';
import { publishing } from '../../support/publishing.ts';
import { CHEAP } from '../../support/site.ts';

const KEYS = redisKeys('test');
const JOHN = 'john:abrVGN.c35n9U';
const JANE = 'jane:$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
const hash = await hashPassword('any', CHEAP);
const other = await hashPassword('other', CHEAP);

describe('the value of a better hash', () => {
  const octets = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  });
  const fingerprint = fc.string({ minLength: 12, maxLength: 12, unit: fc.constantFrom('\0', 'a', '\xff') });

  test('comes back as it went, whatever the fingerprints', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fingerprint), (fingerprints) => {
        const hashes = new Map(fingerprints.map((each, i) => [each, i % 2 ? hash : other]));
        assert.deepEqual(decodeBetter(encodeBetter(hashes)), hashes);
      }),
    );
    assert.throws(() => encodeBetter(new Map([['short', hash]])), RangeError);
  });

  test('of any other octets is none, and never anything but Argon2id', () => {
    fc.assert(
      fc.property(octets, (text) => {
        for (const found of decodeBetter(Buffer.from(text, 'latin1')).values())
          assert.match(found, /^\$argon2id\$/);
      }),
    );
    assert.equal(decodeBetter(null).size, 0);
    const whole = encodeBetter(new Map([['a'.repeat(12), hash]]));
    assert.equal(decodeBetter(whole.subarray(0, -1)).size, 0);
    assert.equal(decodeBetter(encodeBetter(new Map([['a'.repeat(12), '{PLAIN}open']]))).size, 0);
  });
});

describe('a better hash in Redis', () => {
  const it = publishing();
  const table = () => tableId('htpasswd', `${it.site.path}/htpasswd`, 100);
  const rows = (userid: string) => it.rowsOf(userid, 'old.org');
  const keep = (userid: string, row: UserRow, better: string) =>
    it.store.keepBetter(table(), userid, row, better);
  /** Userids that have one, in whatever state. */
  async function kept(): Promise<string[]> {
    const fields = (await it.link.command('HKEYS', KEYS.better(table()))) as Buffer[];
    return fields.map((field) => field.toString('latin1').slice(1)).toSorted();
  }

  /** Publishes these lines of the htpasswd file. */
  async function publish(...lines: string[]): Promise<void> {
    it.site.write('htpasswd', lines.map((line) => `${line}\n`).join(''));
    await it.sync();
  }

  test('comes with its row, in one round trip', async () => {
    await publish(JOHN, JANE);
    assert.ok(holdsCrypt(table()));
    const [row] = await rows('john');
    assert.equal(row!.better, undefined);
    assert.equal(await keep('john', row!, hash), true);
    assert.deepEqual(await rows('john'), [{ ...row!, better: hash }]);
    assert.equal((await rows('jane'))[0]!.better, undefined);
    assert.ok(
      !(await rows('john')).some((each) => 'fingerprint' in each),
      'what tells rows apart stays here',
    );
  });

  test('stays while its source row does: other rows, the line, the generation make no difference', async () => {
    await publish(JOHN);
    await keep('john', (await rows('john'))[0]!, hash);
    await publish('# a line before', JANE, JOHN);
    const [row] = await rows('john');
    assert.deepEqual([row!.better, row!.line], [hash, 3]);
  });

  test('counts no more once the source has changed, and goes with the sync that says so', async () => {
    await publish(JOHN, JANE);
    for (const user of ['john', 'jane']) await keep(user, (await rows(user))[0]!, hash);
    assert.deepEqual(await kept(), ['jane', 'john']);
    await publish(JOHN.replace('9U', '9V'), JANE);
    assert.equal((await rows('john'))[0]!.better, undefined);
    assert.equal((await rows('jane'))[0]!.better, hash);
    assert.deepEqual(await kept(), ['jane']);
    await publish(JOHN.replace('9U', '9V'));
    assert.deepEqual(await kept(), [], 'and with its user');
  });

  test('of another row counts for nothing, wherever it stands', async () => {
    await publish(JOHN, JANE);
    await keep('john', (await rows('john'))[0]!, hash);
    const value = (await it.link.command('HGET', KEYS.better(table()), 'ujohn')) as Buffer;
    await it.link.command('HSET', KEYS.better(table()), 'ujane', value);
    assert.equal((await rows('jane'))[0]!.better, undefined);
    await it.link.command('HSET', KEYS.better(table()), 'ujohn', 'damaged');
    assert.equal((await rows('john'))[0]!.better, undefined, 'nor does a damaged one');
  });

  test('of a row that has changed meanwhile is not kept', async () => {
    await publish(JOHN);
    const [row] = await rows('john');
    await publish(JOHN.replace('9U', '9V'));
    assert.equal(await keep('john', row!, hash), false);
    assert.equal(await keep('nobody', row!, hash), false);
    assert.deepEqual(await kept(), []);
  });

  test('each row of a userid that stands twice has its own', async () => {
    const second = `john:${JANE.slice('jane:'.length)}`;
    await publish(JOHN, second);
    const [one, two] = await rows('john');
    await keep('john', one!, hash);
    await keep('john', two!, other);
    assert.deepEqual(
      (await rows('john')).map(({ better }) => better),
      [hash, other],
    );
    await publish(second);
    assert.deepEqual(
      (await rows('john')).map(({ better }) => better),
      [other],
    );
    const size = (await it.link.command('HSTRLEN', KEYS.better(table()), 'ujohn')) as number;
    assert.equal(size, encodeBetter(new Map([['a'.repeat(12), other]])).length, 'the other is gone');
  });

  test('a lookup in a textfile table costs one command, in an htpasswd table one round trip', async () => {
    await publish(JOHN);
    const sent: number[] = [];
    const counted = {
      ...it.link,
      command: (...command: Parameters<typeof it.link.command>) => {
        sent.push(1);
        return it.link.command(...command);
      },
      batch: (commands: Parameters<typeof it.link.batch>[0]) => {
        sent.push(commands.length);
        return it.link.batch(commands);
      },
    };
    const store = new RedisStore({ link: { ...counted, close: () => {} }, prefix: 'test' });
    await store.refresh();
    sent.length = 0;
    await store.userRows(table(), 'john');
    await store.userRows(tableId('textfile', `${it.site.path}/users`, 100), 'john');
    assert.deepEqual(sent, [2, 1]);
    await store.close();
  });

  test('thousands are pruned, those that count stay', async () => {
    const users = Array.from({ length: 3_000 }, (_, i) => `user${i}`);
    // The table reads as many.
    const there = users.slice(0, 100);
    await publish(...there.map((user) => `${user}:abrVGN.c35n9U`));
    for (const user of there) await keep(user, (await rows(user))[0]!, hash);
    // Of users that were there once.
    const gone = users
      .slice(100)
      .flatMap((user) => [`u${user}`, encodeBetter(new Map([['x'.repeat(12), hash]]))]);
    await it.link.command('HSET', KEYS.better(table()), ...gone);
    await publish(...there.map((user) => `${user}:${user === 'user7' ? 'x' : 'abrVGN.c35n9U'}`));
    const left = await kept();
    assert.equal(left.length, 99);
    assert.ok(!left.includes('user7'));
  });
});

describe('the diagnostics of the last sync', () => {
  const it = publishing();

  test('are kept, bounded, errors first, without a secret, and written only when they differ', async () => {
    const locked = Array.from({ length: 300 }, (_, i) => `late${i}:secret-${i}:box\n`).join('');
    it.site.write('users', `john:secret:box\r\n\n${locked}`);
    await it.sync();
    const first = (await readDiagnostics(it.link, KEYS))!;
    assert.deepEqual([first.generation, first.warnings], [1, 1]);
    assert.ok(first.errors > 100 && first.kept.length <= 200);
    assert.equal(first.kept[0]!.severity, 'error');
    assert.ok(!JSON.stringify(first).includes('secret'));
    assert.ok(Math.abs(Date.now() - first.at) < 10_000);
    await it.sync();
    assert.deepEqual(await readDiagnostics(it.link, KEYS), first);
    it.site.write('users', 'john:secret:box\n');
    await it.sync();
    const mended = (await readDiagnostics(it.link, KEYS))!;
    assert.deepEqual([mended.errors, mended.warnings, mended.kept], [0, 0, []]);
    assert.equal(mended.generation, 2);
  });

  test('are none before the first sync, and where another has written', async () => {
    assert.equal(await readDiagnostics(it.link, KEYS), null);
    await it.link.command('HSET', KEYS.diagnostics, 'm', '{');
    assert.equal(await readDiagnostics(it.link, KEYS), null);
  });
});
