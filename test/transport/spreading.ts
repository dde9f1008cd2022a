/** The cases about listeners that share a port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { unowned } from '../../src/transport/unowned.ts';
import { ascii } from './octets.ts';
import { python } from './peers.ts';
import { onStage } from './probe.ts';

const LISTENERS = 3;
const CLIENTS = 60;

/** Each client comes four times and prints who answered it. */
const COME = `
family, target, sources = sys.argv[2], sys.argv[3], sys.argv[4].split(',')
for source in sources:
    heard = set()
    for i in range(4):
        s = socket.socket(socket.AF_INET6 if family == '6' else socket.AF_INET)
        s.bind((source, 0)); s.settimeout(10); s.connect((target, port)); heard.add(line(s).decode().strip()); s.close()
    print(''.join(sorted(heard)))`;

export function spreadingCases(transport: Transport): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const sources = Array.from({ length: CLIENTS }, (_, index) => `127.0.${index % 4}.${index + 2}`).join(',');
  const answer = (number: number) => (connection: Connection) => {
    // That of the stage is a probe, which is asked for at its end.
    if (number > 0) connection.handler = unowned;
    connection.write(ascii(`${number}\r\n`));
    connection.end();
  };
  const answers = async (
    options: { spreadOver?: number },
    body: (come: (family: '4' | '6', sources: string) => Promise<string[]>) => Promise<void>,
  ) => {
    const shared = { address: '::', reusePort: true, ...options };
    await onStage(transport, { ...shared, accept: answer(0) }, async ({ listener: { port } }) => {
      const others = await Promise.all(
        Array.from({ length: LISTENERS - 1 }, (_, index) =>
          transport.listen({ ...shared, port, accept: answer(index + 1) }),
        ),
      );
      const come = async (family: '4' | '6', from: string) => {
        const target = family === '6' ? '::1' : '127.0.0.1';
        const { output } = await python(COME, port, family, target, from);
        return output.trimEnd().split('\n');
      };
      try {
        await body(come);
      } finally {
        await Promise.all(others.map((listener) => listener.close()));
      }
    });
  };

  test(name('spread by clients, each has one listener, and every listener has clients'), async () => {
    await answers({ spreadOver: LISTENERS }, async (come) => {
      const heard = await come('4', sources);
      assert.equal(heard.length, CLIENTS);
      for (const who of heard) assert.match(who, /^[012]$/);
      assert.deepEqual([...new Set(heard)].sort(), ['0', '1', '2']);
      assert.match((await come('6', '::1'))[0]!, /^[012]$/);
    });
  });

  test(name('spread by connections, a client comes to several listeners'), async () => {
    await answers({}, async (come) => {
      const several = (await come('4', sources)).filter((who) => who.length > 1);
      assert.ok(several.length > CLIENTS / 2, `${several.length} of ${CLIENTS}`);
    });
  });

  test(name('where fewer listen than are counted on, everybody is served'), async () => {
    await answers({ spreadOver: LISTENERS * 2 }, async (come) => {
      for (const who of await come('4', sources)) assert.match(who, /^[012]+$/);
    });
  });
}
