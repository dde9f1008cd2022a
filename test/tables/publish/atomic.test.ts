import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import type { RedisLink } from '../../../src/tables/redis/link.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../../src/tables/teapop/lookup.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { makeSite, redisAt, type Site } from '../../support/site.ts';

const PUBLICATIONS = 200;
const READERS = 8;

let server: RedisServer;
let site: Site;
let link: RedisLink;
let store: RedisStore;

before(async () => {
  server = await startRedis();
  site = makeSite('atomic');
  link = connectRedis(redisAt(server.port));
  await link.whenReady(30_000);
  store = new RedisStore({ link, prefix: 'test' });
});

after(async () => {
  await store.close();
  await server.stop();
  site.remove();
});

/** Everything in the tables names the version; every other one has its users in another file. */
async function publishVersion(version: number): Promise<void> {
  const file = version % 2 === 0 ? 'even' : 'odd';
  const table = (domain: string, users: string) =>
    `${domain}:*:textfile:/m${version}:0:mail:mail:{dir}/${users}:10:\n`;
  site.write('teapop.passwd', table('acme.com', file) + table('b.org', 'both'));
  site.write(file, `john:pw:box${version}\n`);
  site.write('both', `john:pw:box${version}\n`);
  await site.sync(server.port);
}

async function versionOf(domain: string): Promise<number> {
  const found = await lookup(store, `john@${domain}`, '127.0.0.1', DEFAULT_DIVIDERS);
  assert.equal(found.result, 'rows', `${domain} was missing`);
  if (found.result !== 'rows') throw new Error('unreachable');
  const [, ofDomain] = /^\/m(\d+)$/.exec(found.entry.maildir)!;
  const [, ofUser] = /^box(\d+)$/.exec(found.rows[0]!.mailbox)!;
  assert.equal(ofUser, ofDomain, `${domain}: entry and row of different generations`);
  return Number(ofDomain);
}

test('readers see every generation whole, none twice backwards, and the newest after each sync', async () => {
  await publishVersion(0);
  let published = 0;
  let done = false;
  let lookups = 0;
  const reader = async (number: number) => {
    let last = 0;
    const domain = number % 2 === 0 ? 'acme.com' : 'b.org';
    while (!done) {
      const atLeast = published;
      const version = await versionOf(domain);
      assert.ok(version >= Math.max(last, atLeast), `saw ${version} after ${Math.max(last, atLeast)}`);
      last = version;
      lookups++;
    }
  };
  const readers = Array.from({ length: READERS }, (_, number) => reader(number));
  const publisher = async () => {
    try {
      for (let version = 1; version <= PUBLICATIONS; version++) {
        await publishVersion(version);
        published = version;
      }
    } finally {
      done = true;
    }
  };
  await Promise.all([publisher(), ...readers]);
  assert.ok(lookups > PUBLICATIONS * READERS, `${lookups} lookups are too few to meet the switches`);
});
