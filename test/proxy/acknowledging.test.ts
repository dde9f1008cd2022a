/**
 * Of lines that went at once the replies may come one by one: a mailstore without TCP_NODELAY holds the second one back
 * until the first is acknowledged, for which the kernel would wait 40 ms.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pickTransport } from '../../src/transport/pick.ts';
import { between, logIn } from '../support/between.ts';
import { turns } from '../support/clock.ts';
import type { TestProxyOptions } from '../support/proxy.ts';
import type { Script } from '../support/scripted-mailstore.ts';

/** How often the proxy acknowledges in a login to such a mailstore. */
async function acknowledgements(
  script: Script,
  settings: TestProxyOptions['upstream'] | object,
): Promise<number> {
  const transport = await pickTransport();
  let count = 0;
  const counting = {
    ...transport,
    acknowledge(connection: Parameters<typeof transport.acknowledge>[0]) {
      count += 1;
      transport.acknowledge(connection);
    },
  };
  await between(script, { transport: counting, upstream: settings }, async (client) => {
    await logIn(client);
    assert.ok(client.received.endsWith('+OK logged in\r\n'));
  });
  return count;
}

const answers =
  (...segments: string[]): Script =>
  async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    await connection.line();
    for (const segment of segments) {
      connection.send(segment);
      await turns();
    }
  };

describe('the mailstore is not kept waiting for an acknowledgement', () => {
  const atOnce = { pipelining: 'on' };

  test('of a reply that is not the last', async () => {
    assert.equal(await acknowledgements(answers('+OK\r\n', '+OK logged in\r\n'), atOnce), 1);
  });

  test('nor of part of one', async () => {
    assert.equal(await acknowledgements(answers('+OK\r\n+OK log', 'ged in\r\n'), atOnce), 1);
  });

  test('and gets none where all replies have come, or the next line is one', async () => {
    assert.equal(await acknowledgements(answers('+OK\r\n+OK logged in\r\n'), atOnce), 0);
    assert.equal(await acknowledgements((connection) => connection.logIn(), {}), 0);
  });

  test('nor on a connection opened ahead, where nothing is due', async () => {
    const ahead = { preconnect: { count: 1, ageMs: 60_000 } };
    assert.equal(await acknowledgements((connection) => connection.logIn(), ahead), 0);
  });
});
