import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeTransport } from '../../src/transport/node.ts';
import { OWN_MEMORY } from '../../src/transport/node-handles.ts';
import { ascii } from './octets.ts';
import { onStage, type Probe } from './probe.ts';

test('on Node all connections, accepted or asked for, read into one buffer', async () => {
  const memory = new Set<ArrayBufferLike>();
  const prepare = (probe: Probe) => {
    probe.reactions.received = (connection, octets) => {
      memory.add(octets.buffer);
      if (probe.text === 'there') connection.write(ascii('back'));
    };
  };
  await onStage(nodeTransport, { prepare }, async (stage) => {
    const clients = [stage.connect(prepare), stage.connect(prepare)];
    for (const client of clients) client.call((connection) => connection.write(ascii('there')));
    await Promise.all(clients.map((client) => client.untilOctets(4)));
    assert.deepEqual(
      [...clients, ...stage.servers].map(({ text }) => text),
      ['back', 'back', 'there', 'there'],
    );
  });
  // Else node:net has changed inside, and each read costs 64 KiB of memory again.
  if (!OWN_MEMORY) assert.equal(memory.size, 1);
});
