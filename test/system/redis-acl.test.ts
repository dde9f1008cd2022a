import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { run } from '../support/process.ts';
import { runProxy } from '../support/proxy-process.ts';
import { ADDRESS, JANE, JOHN, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

/** The rules of docs/tables.md, read from there: what is documented is what is tested. */
const RULES = readFileSync(new URL('../../docs/tables.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('    ACL SETUSER '))
  .map((line) => line.trim().replaceAll('PREFIX', 'teapop').split(/ +/));

let site: RunningSite;

const redis = async (...command: string[]) => {
  const { code, output } = await run(['redis-cli', '-p', String(site.redis!.port), ...command]);
  assert.equal(code, 0, output);
  return output;
};

function useAs(username: string): void {
  const config = parse(readFileSync(site.configFile, 'utf8')) as { redis: object };
  const account = { username, password_file: site.folder.file(username, `secret-of-${username}\n`, 0o600) };
  writeFileSync(site.configFile, stringify({ ...config, redis: { ...config.redis, ...account } }));
}

before(async () => {
  site = await startSite({
    config: ({ folder, redis: server }) => ({
      redis: { host: ADDRESS, port: server!.port },
      tables: {
        domain_table: `${folder.path}/teapop.passwd`,
        snapshot: `${folder.path}/snapshot`,
        snapshot_every: '1s',
      },
    }),
  });
  assert.equal(RULES.length, 2, 'one rule for proxies, one for sync');
  for (const [, , name = '', ...rule] of RULES) {
    const reply = await redis(
      'ACL',
      'SETUSER',
      name,
      ...rule.map((word) => word.replace('PASSWORD', `secret-of-${name}`)),
    );
    assert.equal(reply.trim(), 'OK');
  }
  await redis('ACL', 'SETUSER', 'default', 'resetpass', '-@all', '+acl', '+ping', '+config', 'nopass');
});

after(() => site?.stop());

test('sync publishes, tries and rolls back with its documented rights', async () => {
  useAs('teapop-sync');
  site.write(
    'acme.com.passwd',
    `john:${JOHN.password}:/var/spool/mail/johnacme\njane:n3w:/var/spool/mail/janeacme\n`,
  );
  for (const options of [['--dry-run'], [], ['--rollback'], []]) {
    const { code, output } = await site.sync(...options);
    assert.equal(code, 0, `${options}: ${output}`);
  }
  const shown = await runProxy(['tables', '--config', site.configFile]);
  assert.equal(shown.code, 0, shown.output);
});

test('a proxy serves, follows and keeps its snapshot with its documented rights, and cannot write tables', async () => {
  useAs('teapop-proxy');
  // The first proxy wrote one as a user that may do anything.
  rmSync(`${site.folder.path}/snapshot`, { force: true });
  await site.restart();
  assert.match(await loginReply(site, JOHN), /^\+OK/);
  assert.match(await loginReply(site, OTTO), /^\+OK/);
  assert.match(await loginReply(site, { ...JANE, password: 'n3w' }), /^\+OK/);
  await site.proxy.logged('snapshot-written');
  assert.match((await site.admin('/metrics')).body, /^teapop_proxy_redis_up 1$/m);
  const { code, output } = await runProxy(['sync', '--config', site.configFile, '--force']);
  assert.equal(code, 1, output);
  assert.match(output, /NOPERM/);
});
