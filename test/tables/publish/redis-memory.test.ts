import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import type { RedisLink } from '../../../src/tables/redis/link.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { CHEAP, makeSite, redisAt, type Site } from '../../support/site.ts';

const USERS = 20_000;
/** Octets of Redis memory per user over the stored hash string itself. */
const TARGET = 120;

let server: RedisServer;
let site: Site;
let link: RedisLink;

before(async () => {
  server = await startRedis();
  site = makeSite('memory');
  link = connectRedis(redisAt(server.port));
  await link.whenReady(30_000);
});

after(async () => {
  link.close();
  await server.stop();
  site.remove();
});

const base64 = (octets: number) => randomBytes(octets).toString('base64').replace(/=+$/, '');
/** What Argon2id with the usual parameters would give, without its time. */
const hash = async () => `$argon2id$v=19$m=19456,t=2,p=1$${base64(16)}$${base64(32)}`;
const HASH_OCTETS = 97;

for (const [what, mailbox] of [
  ['names of their own', (userid: string) => `${userid}acme`],
  ['a full path as mailbox', (userid: string) => `/var/spool/mail/${userid}acme`],
] as const) {
  test(`a user with ${what} takes at most ${TARGET} octets over the hash`, async () => {
    await link.command('FLUSHALL');
    site.write('teapop.passwd', `acme.com:*:textfile:/m:0:mail:mail:{dir}/users:${USERS}:\n`);
    const userids = Array.from({ length: USERS }, (_, i) => `firstname.${i}`);
    site.write('users', userids.map((userid) => `${userid}:pw:${mailbox(userid)}\n`).join(''));
    const passwords = { ...createPasswordTools(CHEAP, null), hash, isCurrent: () => true };
    const { report } = await site.sync(server.port, { passwords });
    assert.equal(report.users, USERS);

    const key = `test:{table-${report.changedTables[0]!.id}}`;
    const memory = (await link.command('MEMORY', 'USAGE', key, 'SAMPLES', 0)) as number;
    const over = memory / USERS - HASH_OCTETS;
    process.stdout.write(`${(memory / USERS).toFixed(1)} octets a user, ${over.toFixed(1)} over the hash\n`);
    assert.ok(over <= TARGET, `${over} octets`);
    const again = await site.sync(server.port, { passwords });
    assert.equal(again.report.published, false);
    process.stdout.write(
      `first sync ${report.duration.toFixed(0)} ms, unchanged ${again.report.duration.toFixed(0)} ms\n`,
    );
  });
}
