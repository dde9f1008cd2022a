/** What a mailstore is told of the client: by a PROXY header in front of everything, or by XCLIENT. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { pickTransport } from '../../src/transport/pick.ts';
import { between } from '../support/between.ts';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import type { TestProxy, TestProxyOptions } from '../support/proxy.ts';
import type { Script, ScriptedConnection } from '../support/scripted-mailstore.ts';
import { type TestCertificates, temporaryCertificates } from '../support/tls.ts';
import { BELIEVES, CLIENT, LOCAL, V2 } from './balanced.ts';
import { octets, read } from './headers.ts';

let certificates: TestCertificates;

before(() => {
  certificates = temporaryCertificates();
});

async function logIn(client: Pop3Client): Promise<string> {
  await client.line();
  await client.ask('USER john');
  return client.ask('PASS secret');
}

type Told = { options: Partial<TestProxyOptions>; header?: Uint8Array };
const WAYS: Record<string, Told> = {
  'a client that came by itself': { options: {} },
  'a client behind a balancer': { options: { proxyProtocol: BELIEVES }, header: V2 },
};

for (const version of ['v1', 'v2'] as const) {
  for (const [who, { options, header }] of Object.entries(WAYS)) {
    test(`a header of ${version} tells ${who}, before anything else`, async () => {
      const heard: string[] = [];
      const script: Script = async (connection) => {
        await connection.until(() => connection.received.length > 0);
        heard.push(connection.received);
        connection.received = '';
        await connection.logIn();
      };
      await between(
        script,
        { ...options, upstream: { proxyProtocol: version } },
        async (client, { proxy }) => {
          if (header !== undefined) client.socket.write(header);
          assert.equal(await logIn(client), '+OK logged in');
          const self = { address: '127.0.0.1', port: client.socket.localPort! };
          const [remote, local] =
            header === undefined ? [self, { address: '127.0.0.1', port: proxy.port }] : [CLIENT, LOCAL];
          const said = (end: typeof remote) => `${end.address} ${end.port}`;
          // Nothing came with it: the mailstore speaks first.
          assert.deepEqual(read([octets(heard[0]!)]), {
            remote: said(remote),
            local: said(local),
            unread: '',
          });
        },
      );
    });
  }

  test(`a header of ${version} goes in plain before the mailstore's TLS`, async () => {
    const hello = async (connection: ScriptedConnection) => {
      await connection.until(() => connection.received.includes('\x16\x03'));
      connection.reset();
    };
    const { transport, clientTls } = await tlsTo(certificates);
    const upstream = { proxyProtocol: version, tls: 'implicit', clientTls } as const;
    await between(hello, { transport, upstream }, async (client, { mailstore }) => {
      assert.match(await logIn(client), /^-ERR \[SYS\/TEMP\]/);
      const { received } = mailstore.connections[0]!;
      const behind = read([octets(received)]);
      assert.ok(typeof behind === 'object' && behind.unread.startsWith('\x16\x03'), received);
    });
  });
}

async function tlsTo({ ca }: TestCertificates) {
  const transport = await pickTransport();
  const options = { ca, serverName: 'mail.test', verify: true, minVersion: 'TLSv1.2' } as const;
  return { transport, clientTls: transport.clientTls(options) };
}

describe('XCLIENT', () => {
  const told = async (proxy: TestProxy, result: string) =>
    total(await proxy.metrics.text(), 'teapop_proxy_upstream_xclient_total', { result });
  const warned = (proxy: TestProxy) =>
    proxy.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'xclient-not-taken');

  /** @param reply to XCLIENT; null for a mailstore that does not offer it */
  const dovecot =
    (reply: string | null): Script =>
    async (connection) => {
      connection.send(`+OK ${reply === null ? '' : '[XCLIENT] '}ready\r\n`);
      for (let line = await connection.line(); line !== null; line = await connection.line())
        connection.send(`${line.startsWith('XCLIENT') ? reply : '+OK logged in'}\r\n`);
      connection.end();
    };

  test('tells the client that a header has told, and the name of the session in the log', async () => {
    const options = { proxyProtocol: BELIEVES, upstream: { xclient: true } };
    await between(dovecot('+OK Updated'), options, async (client, { proxy, mailstore }) => {
      client.socket.write(V2);
      assert.equal(await logIn(client), '+OK logged in');
      client.destroy();
      const [record] = await proxy.logged(1);
      const { id } = record as unknown as { id: string };
      const [line] = mailstore.connections[0]!.received.split('\r\n');
      assert.equal(line, `XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=${id}`);
      assert.equal(await told(proxy, 'taken'), 1);
      assert.deepEqual(warned(proxy), []);
    });
  });

  test('is for mailstores that are set to be told, and for no other', async () => {
    await between(dovecot('+OK Updated'), {}, async (client, { proxy, mailstore }) => {
      assert.equal(await logIn(client), '+OK logged in');
      assert.match(mailstore.connections[0]!.received, /^USER /);
      for (const result of ['taken', 'not-offered', 'refused']) assert.equal(await told(proxy, result), 0);
    });
  });

  for (const [result, reply] of [
    ['not-offered', null],
    ['refused', '-ERR You are not from trusted IP'],
  ] as const) {
    test(`${result} is logged once and counted each time; the login goes on`, async () => {
      await between(dovecot(reply), { upstream: { xclient: true } }, async (client, { proxy }) => {
        assert.equal(await logIn(client), '+OK logged in');
        const second = await Pop3Client.connect(proxy.port);
        assert.equal(await logIn(second), '+OK logged in');
        second.destroy();
        assert.equal(await told(proxy, result), 2);
        assert.deepEqual(
          warned(proxy).map((line) => [line.level, line.upstream, line.result, line.unlogged]),
          [['warn', 'mailstore', result, 0]],
        );
      });
    });
  }
});
