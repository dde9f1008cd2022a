import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemOfParams } from '../../src/auth/argon2.ts';
import { cryptMethod } from '../../src/auth/crypt-method.ts';
import { parseConfig } from '../../src/config/load.ts';
import { UPGRADABLE } from '../../src/config/passwords.ts';
import { good, onlyError, withRest } from './configs.ts';

const MIB = 1024 * 1024;

const argon2 = (memory: number, time: number, parallelism: number) =>
  `passwords: { argon2: { memory: ${memory}B, time: ${time}, parallelism: ${parallelism} } }\n`;

/** Around each bound, on both sides. */
const PARAMETERS = [8 * 1024, 64 * 1024, 128 * 1024, 2 * MIB + 1024, 19 * MIB, 256 * MIB, 256 * MIB + 1024]
  .flatMap((memory) => [1, 2, 8, 9, 107, 1000].map((time) => [memory, time] as const))
  .flatMap(([memory, time]) => [1, 2, 16, 17].map((lanes) => [memory, time, lanes] as const));

test('the config takes the parameters of Argon2id that the proxies check, and no others', () => {
  let taken = 0;
  for (const [memory, time, parallelism] of PARAMETERS) {
    const isTaken = 'config' in parseConfig(withRest(argon2(memory, time, parallelism)), 'test.yaml');
    const usable = problemOfParams({ memory, time, parallelism }) === null;
    assert.equal(isTaken, usable, `${memory} ${time} ${parallelism}`);
    if (isTaken) taken++;
  }
  assert.ok(taken > 10 && taken < PARAMETERS.length - 10, `${taken} of ${PARAMETERS.length}`);
});

test('what is too much is told with its place and what would do', () => {
  const memory = onlyError(withRest(argon2(512 * MIB, 1, 1)));
  assert.equal(
    `${memory.line} ${memory.path}: ${memory.message}`,
    '3 passwords.argon2.memory: expected 8KiB to 256MiB',
  );
  const work = onlyError(withRest(argon2(256 * MIB, 9, 1)));
  assert.equal(
    `${work.path}: ${work.message}`,
    'passwords.argon2.time: too many for passwords.argon2.memory',
  );
  assert.equal(work.hint, 'memory × time is 2GiB at most: 8 passes over so much memory');
  const lanes = onlyError(withRest(argon2(19 * MIB, 2, 17)));
  assert.equal(lanes.message, 'expected a whole number from 1 to 16');
});

test('hashes of DES and MD5 are upgraded unless told otherwise; a list replaces them', () => {
  const upgrade = (text: string) => good(withRest(text)).config.passwords.upgrade;
  assert.deepEqual(upgrade(''), ['des', 'md5']);
  assert.deepEqual(upgrade('passwords: { upgrade: [] }\n'), []);
  assert.deepEqual(upgrade('passwords: { upgrade: [sha512, bcrypt] }\n'), ['sha512', 'bcrypt']);
  const unknown = onlyError(withRest('passwords: { upgrade: [sha521] }\n'));
  assert.equal(unknown.path, 'passwords.upgrade[0]');
  assert.equal(unknown.hint, 'did you mean sha512?');
  assert.match(onlyError(withRest('passwords: { upgrade: md5 }\n')).hint ?? '', /\[\] for none/);
});

test('logins are remembered for ten minutes and a day at most, unless told otherwise', () => {
  const cache = (text: string) => good(withRest(text)).config.passwords.cache;
  const standard = { accepted: 100_000, rejected: 10_000, idle: 600_000, lifetime: 86_400_000 };
  assert.deepEqual(cache(''), standard);
  assert.deepEqual(cache('passwords: { cache: { idle: 1h, rejected: 0 } }\n'), {
    ...{ ...standard, idle: 3_600_000, rejected: 0 },
  });
  for (const off of ['off', 'false']) assert.equal(cache(`passwords: { cache: ${off} }\n`), null);
  const long = onlyError(withRest('passwords: { cache: { lifetime: 25h } }\n'));
  assert.equal(`${long.path}: ${long.message}`, 'passwords.cache.lifetime: expected 1s to 24h');
  const idle = onlyError(withRest('passwords: { cache: { idle: 2h, lifetime: 1h } }\n'));
  assert.equal(`${idle.path}: ${idle.message}`, 'passwords.cache.idle: longer than passwords.cache.lifetime');
  assert.match(idle.hint ?? '', /raise passwords\.cache\.lifetime/);
});

test('each method that can be upgraded is one that a stored hash can have', () => {
  const salt = 'salt';
  const hashes: Record<(typeof UPGRADABLE)[number], string> = {
    des: 'abrVGN.c35n9U',
    md5: `$1$${salt}$${'a'.repeat(22)}`,
    nt: `$3$$${'a'.repeat(32)}`,
    'sun-md5': `$md5$${salt}$$${'a'.repeat(22)}`,
    sha1: `$sha1$1$${salt}$${'a'.repeat(28)}`,
    sha256: `$5$${salt}$${'a'.repeat(43)}`,
    sha512: `$6$${salt}$${'a'.repeat(86)}`,
    bcrypt: `$2b$05$${'a'.repeat(53)}`,
  };
  assert.deepEqual(Object.keys(hashes), [...UPGRADABLE]);
  for (const [name, hash] of Object.entries(hashes)) {
    const method = cryptMethod(hash);
    assert.deepEqual([method.name, method.complete], [name, true]);
  }
});
