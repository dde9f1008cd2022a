/** Lines that come octet by octet, each in an array that the transport spoils when it has been heard of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryTransport } from '../../src/transport/memory.ts';
import { turns } from '../support/clock.ts';
import { startTestProxy } from '../support/proxy.ts';
import { TransportPeer } from '../support/transport-peer.ts';

const GREETING = '+OK ready\r\n';
const ANSWERS = ['+OK\r\n', '+OK logged in\r\n', '+OK 0 0\r\n'];

function spell(peer: TransportPeer, text: string): void {
  for (const octet of text) peer.send(octet);
}

test('a client and a mailstore that send octet by octet come together', async () => {
  const transport = memoryTransport();
  let heard = '';
  const { port } = await transport.listen({
    address: '127.0.0.1',
    port: 0,
    accept(connection) {
      const mailstore = new TransportPeer(connection, {
        received({ text }) {
          const before = heard.split('\n').length - 1;
          heard = text;
          for (const answer of ANSWERS.slice(before, text.split('\n').length - 1)) spell(mailstore, answer);
        },
      });
      spell(mailstore, GREETING);
    },
  });
  const proxy = await startTestProxy({ transport, upstream: { port } });
  const client = TransportPeer.connect(transport, proxy.port);
  try {
    spell(client, 'USER john\r\nPASS secret\r\nSTAT\r\n');
    for (let tries = 0; tries < 200 && !client.ended; tries++) {
      if (client.text.endsWith(ANSWERS[2]!)) break;
      await turns();
    }
    assert.ok(client.text.endsWith(ANSWERS.slice(1).join('')), client.text);
    assert.equal(heard, 'USER johnacme\r\nPASS upstream-secret\r\nSTAT\r\n');
  } finally {
    client.connection.destroy();
    await proxy.close();
  }
});
