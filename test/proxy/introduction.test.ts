/** Listeners behind a load balancer: what a PROXY header changes. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Balancer, startBalancer } from '../support/balancer.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import type { TestProxyOptions } from '../support/proxy.ts';
import { type TestCertificates, temporaryCertificates } from '../support/tls.ts';
import { behind, CLIENT, ends, HEADERS, HURRIES, LOCAL, logIn, TIMEOUT_MS, V1, V2 } from './balanced.ts';
import { octets } from './headers.ts';

let certificates: TestCertificates;

before(() => {
  certificates = temporaryCertificates();
});

for (const [version, header] of Object.entries(HEADERS)) {
  describe(`a header of ${version}`, () => {
    test('makes the session its client’s; octets behind it are run', async () => {
      await behind({}, async (proxy) => {
        const client = await Pop3Client.connect(proxy.port);
        client.socket.write(Buffer.concat([header, octets('USER john\r\nPASS secret\r\n')]));
        for (const reply of ['+OK ready', '+OK Send the password', '+OK logged in'])
          assert.equal(await client.line(), reply);
        const { localPort } = client.socket;
        client.destroy();
        const [record] = await proxy.logged(1);
        assert.deepEqual(ends(record!), { client: CLIENT, local: LOCAL, via: '127.0.0.1' });
        assert.equal(record!.via?.port, localPort);
        assert.equal(record!.octets.to_upstream, 'USER john\r\nPASS secret\r\n'.length);
      });
    });

    test('may come octet by octet; nothing is said before its last', async () => {
      await behind({}, async (proxy) => {
        const client = await Pop3Client.connect(proxy.port);
        for (const octet of header) {
          assert.equal(client.received, '');
          client.socket.write(Uint8Array.of(octet));
          await sleep(2);
        }
        assert.equal(await client.line(), '+OK ready');
        await logIn(client);
        client.destroy();
        assert.deepEqual(ends((await proxy.logged(1))[0]!).client, CLIENT);
      });
    });

    test('goes before STLS and is no part of it', async () => {
      const tls = { mode: 'starttls', certificate: certificates.ecdsa } as const;
      await behind({ tls }, async (proxy) => {
        const client = await Pop3Client.connect(proxy.port);
        client.socket.write(header);
        await client.line();
        assert.match(await client.ask('STLS'), /^\+OK/);
        await client.startTls(certificates.ca);
        await logIn(client);
        client.destroy();
        assert.deepEqual(ends((await proxy.logged(1))[0]!).client, CLIENT);
      });
    });

    for (const [how, waits] of [
      ['alone', false],
      ['in one segment with the ClientHello', true],
    ] as const) {
      test(`goes before implicit TLS, ${how}`, async () => {
        const tls = { mode: 'implicit', certificate: certificates.ecdsa } as const;
        await behind({ tls }, async (proxy) => {
          const balancer: Balancer = await startBalancer(proxy.port, header, waits);
          const client = await Pop3Client.connectTls(balancer.port, certificates.ca);
          assert.equal(await client.line(), '+OK ready');
          await logIn(client);
          client.destroy();
          const [record] = await proxy.logged(1);
          await balancer.close();
          assert.deepEqual(ends(record!), { client: CLIENT, local: LOCAL, via: '127.0.0.1' });
          assert.equal(record!.tls?.version, 'TLSv1.3');
          assert.equal(record!.octets.to_upstream, 'USER john\r\nPASS secret\r\n'.length);
        });
      });
    }
  });
}

test('a session outlives the time that its header could have taken', async () => {
  await behind({ proxyProtocol: HURRIES }, async (proxy) => {
    const client = await Pop3Client.connect(proxy.port);
    client.socket.write(V1);
    await client.line();
    await sleep(2 * TIMEOUT_MS);
    await logIn(client);
    client.destroy();
  });
});

describe('the addresses of a header', () => {
  test('are those that the tables are asked for', async () => {
    const asked: string[] = [];
    const decide: TestProxyOptions['decide'] = (_credentials, localAddress) => {
      asked.push(localAddress);
      return { result: 'rejected', reason: 'unknown-user' };
    };
    await behind({ decide }, async (proxy) => {
      const client = await Pop3Client.connect(proxy.port);
      client.socket.write(V2);
      await client.line();
      await client.ask('USER john');
      await client.ask('PASS secret');
      client.destroy();
      assert.deepEqual(asked, [LOCAL.address]);
    });
  });

  test('are those that plaintext passwords depend on', async () => {
    const plaintextFrom = (clientAddress: string) => clientAddress === CLIENT.address;
    await behind({ plaintextFrom }, async (proxy) => {
      const replyTo = async (header: Uint8Array) => {
        const client = await Pop3Client.connect(proxy.port);
        client.socket.write(header);
        await client.line();
        const reply = await client.ask('USER john');
        client.destroy();
        return reply.split(' ')[0];
      };
      assert.equal(await replyTo(V1), '+OK');
      assert.equal(await replyTo(octets('PROXY TCP4 192.0.2.8 198.51.100.9 4711 110\r\n')), '-ERR');
      assert.equal(await replyTo(octets('PROXY UNKNOWN\r\n')), '-ERR');
    });
  });
});
