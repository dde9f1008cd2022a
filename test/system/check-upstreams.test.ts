/** `check --upstreams` at real Dovecots that trust the proxy, or do not, and where none answers as it should. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { type Runtime, runProxy } from '../support/proxy-process.ts';
import { ADDRESS } from '../support/running-site.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temp.ts';
import { temporaryCertificates } from '../support/tls.ts';

const PASSWORD = 'm4ster';
const USERS = [{ name: 'ada', password: 'x' }];
const certificates = temporaryCertificates();
let folder: TemporaryFolder;
let trusting: Dovecot;
let distant: Dovecot;
let closed: number;

before(async () => {
  folder = temporaryFolder('check-upstreams');
  folder.file('teapop.passwd', '');
  trusting = await startDovecot({
    users: USERS,
    tls: certificates.ecdsa,
    extra: `login_trusted_networks = ${ADDRESS}`,
  });
  distant = await startDovecot({ users: USERS, extra: 'auth_mechanisms = login' });
  closed = await freePort();
});
after(async () => {
  await trusting?.stop();
  await distant?.stop();
  folder?.remove();
});

type Upstream = Record<string, unknown>;

async function check(runtime: Runtime, upstreams: Upstream[], ...options: string[]) {
  const config = {
    listeners: [
      { name: 'plain', address: ADDRESS, port: 1110, tls: 'off', plaintext_auth: [`${ADDRESS}/32`] },
    ],
    tables: { source: 'files', domain_table: `${folder.path}/teapop.passwd` },
    upstreams: upstreams.map((each, index) => ({ name: `u${index}`, host: ADDRESS, timeout: '5s', ...each })),
  };
  const file = folder.file('config.yaml', stringify(config), 0o600);
  const env = { TEAPOP_PROXY_RUNTIME: runtime, MASTER: PASSWORD };
  const { code, output } = await runProxy(['check', '--config', file, ...options], env);
  return { code, output: output.replaceAll(file, 'config.yaml') };
}

const secured = (): Upstream => ({ tls: 'starttls', ca_file: certificates.caFile, xclient: true });
const PLAIN = { plain: { user: 'proxy', password_env: 'MASTER' } };

for (const runtime of ['bun', 'node'] as const satisfies readonly Runtime[]) {
  describe(`check --upstreams, on ${runtime}`, () => {
    test('is content with a mailstore that trusts the proxy', async () => {
      const stls = { ...secured(), port: trusting.port, pipelining: 'on', login: PLAIN };
      const implicit = { ...secured(), port: trusting.tlsPort, tls: 'implicit' };
      const from = trusting.log().length;
      const { code, output } = await check(runtime, [stls, implicit], '--upstreams');
      assert.equal(code, 0, output);
      const lines = output.trimEnd().split('\n');
      assert.deepEqual(lines.slice(0, 2), [
        `upstream u0 (${ADDRESS} port ${trusting.port}): reachable`,
        `upstream u1 (${ADDRESS} port ${trusting.tlsPort}): reachable`,
      ]);
      assert.match(lines[2]!, /is good: .*, 0 warnings$/);
      // It takes its leave: no connection is lost.
      const left = () => trusting.log().slice(from).split('Aborted login by logging out').length - 1;
      await until('two visitors have said QUIT', () => left() === 2);
    });

    test('warns where the mailstore will not take what is set', async () => {
      const { code, output } = await check(
        runtime,
        [{ port: distant.port, xclient: true, login: PLAIN }, { port: distant.port }],
        '--upstreams',
      );
      assert.equal(code, 0, output);
      assert.match(output, /warning: upstreams\[0\]\.xclient: u0 does not offer \[XCLIENT\] to this host/);
      assert.match(output, /warning: upstreams\[0\]\.login: u0 announces no SASL PLAIN/);
      assert.match(
        output,
        /warning: upstreams\[1\]\.xclient: u1 would see all users come from the proxy's one/,
      );
      assert.match(output, /hint: .*login_trusted_networks.*docs\/mailstore\.md/);
      assert.match(output, /is good: .*, 3 warnings\n/);
    });

    test('fails where a server cannot be used, each with its failure and cure', async () => {
      const servers = [
        { name: 'away', host: ADDRESS, port: closed },
        { host: ADDRESS, port: trusting.port },
      ];
      const { code, output } = await check(
        runtime,
        [
          { host: undefined, servers, xclient: true },
          { ...secured(), port: trusting.port, server_name: 'other.test' },
          {
            ...secured(),
            port: trusting.tlsPort,
            tls: 'implicit',
            ca_file: certificates.stranger.certificateFile,
          },
          { ...secured(), port: distant.port },
        ],
        '--upstreams',
      );
      assert.equal(code, 1, output);
      for (const line of [
        `upstream u0, server away (${ADDRESS} port ${closed}): connect-refused`,
        `upstream u0, server ${ADDRESS}:${trusting.port} (${ADDRESS} port ${trusting.port}): reachable`,
        `upstream u1 (${ADDRESS} port ${trusting.port}): certificate-invalid`,
        `upstream u2 (${ADDRESS} port ${trusting.tlsPort}): certificate-invalid`,
        `upstream u3 (${ADDRESS} port ${distant.port}): stls-refused`,
      ])
        assert.ok(output.split('\n').includes(line), `${line}\nin\n${output}`);
      assert.match(
        output,
        /upstreams\[0\]\.servers\[0\]\.host: connect-refused: .*\n.*\n.*\n +hint: nothing listens/,
      );
      assert.match(
        output,
        /upstreams\[1\]\.host: certificate-invalid: .*\n.*\n.*\n +hint: name its authority/,
      );
      assert.match(output, /config\.yaml: 4 errors, 0 warnings\n/);
    });

    test('asks nobody while the config is wrong, nor without the option', async () => {
      let connections = 0;
      const server = createServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
      const { port } = server.address() as AddressInfo;
      const unset = { port, login: { plain: { user: 'proxy', password_env: 'NONE' } } };
      assert.equal((await check(runtime, [{ port, tsl: 'off' }], '--upstreams')).code, 1);
      assert.equal((await check(runtime, [unset], '--upstreams')).code, 1);
      assert.equal((await check(runtime, [{ port }])).code, 0);
      assert.equal(connections, 0);
      const { code, output } = await check(runtime, [{ port }], '--upstreams');
      assert.deepEqual([code, connections], [1, 1]);
      assert.match(output, /: closed$/m);
      server.close();
    });
  });
}
