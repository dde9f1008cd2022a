/** What every command makes of words that it does not know. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check } from '../../src/cli/check.ts';
import { demo } from '../../src/cli/demo.ts';
import type { CommandIo } from '../../src/cli/io.ts';
import { schema } from '../../src/cli/schema.ts';
import { serve } from '../../src/cli/serve.ts';
import { sync } from '../../src/cli/sync.ts';
import { tables } from '../../src/cli/tables.ts';

const COMMANDS = { check, demo, schema, serve, sync, tables };

type Run = { status: number; out: string; err: string };

async function run(
  command: (argv: string[], io: CommandIo) => Promise<number>,
  ...argv: string[]
): Promise<Run> {
  let [out, err] = ['', ''];
  const io: CommandIo & { terminal: boolean } = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    terminal: false,
  };
  return { status: await command(argv, io), out, err };
}

for (const [name, command] of Object.entries(COMMANDS)) {
  describe(name, () => {
    for (const option of ['--help', '-h']) {
      test(`tells its usage to ${option}`, async () => {
        const { status, out, err } = await run(command, option);
        assert.deepEqual([status, err], [0, '']);
        assert.match(out, new RegExp(`^usage: teapop-proxy ${name}`));
      });
    }

    for (const words of [['--nonsense'], ['word']]) {
      test(`refuses ${words}, and tells its usage`, async () => {
        const { status, out, err } = await run(command, ...words);
        assert.deepEqual([status, out], [2, '']);
        assert.match(err, /usage: teapop-proxy/);
      });
    }
  });
}

test('serve refuses sockets that there are not, before it reads the config', async () => {
  const { status, err } = await run(serve, '--sockets', 'noed', '--config', '/nowhere');
  assert.equal(status, 2);
  assert.match(err, /'noed'/);
});

test('schema prints JSON, or a table', async () => {
  assert.equal(typeof JSON.parse((await run(schema)).out), 'object');
  assert.match((await run(schema, '--markdown')).out, /\|/);
});
