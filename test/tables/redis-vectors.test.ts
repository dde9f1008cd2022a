import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import { FileStore } from '../../src/tables/sources/file-store.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { makeSite, redisAt, type Site } from '../support/site.ts';
import { decide, disagreement, textsOf, type VectorSet } from '../support/vectors.ts';

const OWN = fileURLToPath(new URL('logins.json', import.meta.url));
const RECORDED = fileURLToPath(new URL('../../../shared/vectors/teapop-0.3.8-logins.json', import.meta.url));

/** Disagreements that are listed; the rest is counted. */
const LISTED = 20;

let server: RedisServer;
let link: RedisLink;
let site: Site;

before(async () => {
  server = await startRedis();
  link = connectRedis(redisAt(server.port));
  await link.whenReady(30_000);
  site = makeSite('vectors');
  site.write('passwd', 'nobody:x:65534:65534::/:/bin/false\n');
  site.write('group', 'nogroup:x:65534:\n');
});

after(async () => {
  link.close();
  await server.stop();
  site.remove();
});

const named = process.env.TEAPOP_VECTORS;
const recorded = named || (existsSync(RECORDED) ? RECORDED : null);

for (const file of recorded === null ? [OWN] : [OWN, recorded]) {
  test(`decides every login of ${file} from files on disk and from Redis as it is recorded`, async () => {
    const sets = JSON.parse(readFileSync(file, 'utf8')) as VectorSet[];
    const differences = { files: [] as string[], redis: [] as string[] };
    let logins = 0;
    for (const [i, set] of sets.entries()) {
      const stores = await storesOf(set, i);
      for (const login of set.logins) {
        logins++;
        for (const [name, store] of Object.entries(stores) as [keyof typeof stores, TableStore][]) {
          const difference = disagreement(set, login, await decide(store, set, login));
          if (difference !== null) differences[name].push(difference);
        }
      }
      await stores.files.close();
    }
    process.stdout.write(
      `${logins} logins in ${sets.length} table sets: ${logins - differences.files.length} agree from files, ` +
        `${logins - differences.redis.length} from Redis\n`,
    );
    assert.deepEqual(differences.files.slice(0, LISTED), []);
    assert.deepEqual(differences.redis.slice(0, LISTED), []);
    assert.ok(logins > 0, 'the file holds no logins');
  });
}

async function storesOf(set: VectorSet, number: number): Promise<{ files: FileStore; redis: TableStore }> {
  const folder = `set${number}`;
  const { domainTable, passwordFiles } = textsOf(set, `${site.path}/${folder}`);
  if (domainTable !== null) site.write(`${folder}/teapop.passwd`, domainTable);
  for (const [path, text] of Object.entries(passwordFiles))
    site.write(path.slice(site.path.length + 1), text);
  const files = {
    ...site.files,
    domainTable: `${site.path}/${folder}/teapop.passwd`,
    accounts: { passwd: `${site.path}/passwd`, group: `${site.path}/group` },
  };
  const prefix = `set-${number}`;
  await site.sync(server.port, { files, prefix });
  const unclosed = { ...link, close: () => {} };
  const redis = new RedisStore({ link: unclosed, prefix });
  await redis.close();
  return { files: await FileStore.open(files), redis };
}
