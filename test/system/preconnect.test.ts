/** Connections opened ahead to a real Dovecot, inside STLS, by the real executable on either runtime. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import {
  ADDRESS,
  JOHN,
  MASTER,
  type RunningSite,
  type SiteParts,
  startSite,
} from '../support/running-site.ts';

const COUNT = 3;

function config({ certificates, dovecot, folder }: SiteParts) {
  const passwordFile = folder.file('the.password', MASTER.password, 0o600);
  const tls = { tls: 'starttls', ca_file: certificates.caFile, server_name: 'mail.test' };
  const login = { master: { user: MASTER.user, password_file: passwordFile } };
  const ahead = { preconnect: COUNT, preconnect_age: '2m', xclient: true };
  return {
    upstreams: [{ name: 'mailstore', host: ADDRESS, port: dovecot!.port, ...tls, ...ahead, login }],
    shutdown: { grace: '5s' },
  };
}

for (const runtime of ['bun', 'node'] as const) {
  describe(`on ${runtime}`, () => {
    let site: RunningSite;
    before(async () => {
      const extra = `login_trusted_networks = ${ADDRESS}\n`;
      site = await startSite({ source: 'files', runtime, config, mailstore: { extra } });
    });
    after(() => site.stop());

    const metrics = async () => (await site.admin('/metrics')).body;
    const ready = async () => total(await metrics(), 'teapop_proxy_upstream_spares_ready');
    const spares = async (event: string) =>
      total(await metrics(), 'teapop_proxy_upstream_spares_total', { event });
    const connects = async () => total(await metrics(), 'teapop_proxy_upstream_connect_seconds_count');

    /** Logs in and out. */
    async function session(): Promise<void> {
      const client = await Pop3Client.connectTls(site.proxy.port('pop3s'), site.certificates.ca);
      await client.line();
      await client.ask(`USER ${JOHN.login}`);
      assert.equal(await client.ask(`PASS ${JOHN.password}`), '+OK Logged in.');
      assert.match(await client.ask('STAT'), /^\+OK 0 0/);
      assert.match(await client.ask('QUIT'), /^\+OK/);
      await client.gone();
    }

    test('logins wait for no connect, and Dovecot sees the client', async () => {
      await until('all are ready', async () => (await ready()) === COUNT);
      const logged = site.dovecot!.log().length;
      for (let i = 0; i < 5; i++) {
        await session();
        await until('another is ready', async () => (await ready()) === COUNT);
      }
      assert.equal(await connects(), 0);
      assert.equal(await spares('taken'), 5);
      const logins = () =>
        [
          ...site
            .dovecot!.log()
            .slice(logged)
            .matchAll(/Login: user=<johnacme>.*/g),
        ].map(([line]) => line);
      await until('Dovecot has logged them', () => logins().length === 5);
      for (const line of logins()) assert.match(line, /TLS.*session=<\S+-\w+>/);
    });

    test('those that Dovecot drops are replaced, and no login fails for it', async () => {
      site.dovecot!.kill9Sessions();
      await session();
      await until('all are ready again', async () => (await ready()) === COUNT);
      assert.ok((await spares('lost')) + (await spares('stale')) > 0);
      await session();
      const failed = await site.proxy.logged('spare-failed');
      assert.equal(failed.upstream, 'mailstore');
      assert.equal(total(await metrics(), 'teapop_proxy_upstream_failures_total'), 0);
    });

    test('a reload opens them anew, and asks for the capabilities again', async () => {
      const known = () => site.proxy.log().filter(({ event }) => event === 'capabilities-known').length;
      const before = known();
      const logged = site.dovecot!.log().length;
      const left = () =>
        site
          .dovecot!.log()
          .slice(logged)
          .match(/no auth attempts/g)?.length ?? 0;
      site.proxy.kill('SIGHUP');
      await until('the old ones have left', () => left() >= COUNT);
      await until('new ones are ready', async () => (await ready()) === COUNT);
      await until('Dovecot has been asked', () => known() > before);
    });

    test('a stop closes them while sessions go on', async () => {
      const client = await Pop3Client.connectTls(site.proxy.port('pop3s'), site.certificates.ca);
      await client.line();
      await client.ask(`USER ${JOHN.login}`);
      assert.equal(await client.ask(`PASS ${JOHN.password}`), '+OK Logged in.');
      await until('all are ready', async () => (await ready()) === COUNT);
      site.proxy.kill('SIGTERM');
      await until('they are closed', async () => (await ready()) === 0);
      assert.match(await client.ask('STAT'), /^\+OK 0 0/);
      assert.match(await client.ask('QUIT'), /^\+OK/);
      await until('it has stopped', () => site.proxy.status() !== null);
      assert.equal(site.proxy.status()?.code, 0);
    });
  });
}
