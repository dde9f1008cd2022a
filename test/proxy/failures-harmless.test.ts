/** docs/failures.md, its last table: what a mailstore may do, and a login comes of it all the same. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { logInAt } from '../support/failures-page.ts';
import { drips, GOSSIP, greets, upTo } from '../support/misdeeds.ts';
import { quoted, tableUnder } from '../support/page-table.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { startTestProxy } from '../support/proxy.ts';
import {
  type Script,
  type ScriptedConnection,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';

const HARMLESS = tableUnder('failures.md', 'What is no failure');

describe('what is no failure:', () => {
  const final =
    (send: (connection: ScriptedConnection) => void): Script =>
    async (connection) => {
      await upTo('login', connection);
      send(connection);
      await connection.line();
      connection.send('+OK\r\n');
      connection.end();
    };
  const logsIn = async (script: Script, expected: string, settings: object = {}) => {
    const told = await logInAt(script, { settings });
    assert.equal(told.reply, expected);
    assert.deepEqual(told.events, []);
    assert.equal(total(told.text, 'teapop_proxy_upstream_failures_total'), 0);
    return told;
  };
  const endsAs = (deed: (connection: ScriptedConnection) => void) => async (end: string) => {
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      deed(connection);
    };
    const mailstore = await startScriptedMailstore(script);
    const proxy = await startTestProxy({ upstream: { port: mailstore.port } });
    const client = await Pop3Client.connect(proxy.port);
    await client.line();
    await client.ask('USER john');
    await client.ask('PASS secret');
    client.send('RETR 1\r\n');
    await client.gone();
    assert.equal((await proxy.logged(1))[0]?.end, end);
    client.destroy();
    await proxy.close();
    await mailstore.close();
  };

  const CASES: Readonly<Record<string, (end: string) => Promise<unknown>>> = {
    'sends octet by octet, and comes to an end in time': () =>
      logsIn(
        final((connection) => drips(connection, '+OK logged in\r\n', 5)),
        '+OK logged in',
      ),
    'ends its lines with a bare LF': async () => {
      const script: Script = async (connection) => {
        for (const line of ['+OK ready\n', '+OK\n', '+OK in\n']) {
          connection.send(line);
          await connection.line();
        }
        connection.send('+OK\r\n');
        connection.end();
      };
      const { heard } = await logsIn(script, '+OK in');
      assert.ok(heard.includes('+OK in\r\n'));
    },
    'sends a final `+OK` line of more than 512 octets': async () => {
      const line = `+OK ${'x'.repeat(600)}`;
      await logsIn(
        final((connection) => connection.send(`${line}\r\n`)),
        line.slice(0, 510),
      );
    },
    'sends control characters in its final `+OK` line': () =>
      logsIn(
        final((connection) => connection.send('+OK a\x1bb\0c\rd\r\n')),
        '+OK a b c d',
      ),
    'sends octets behind its final `+OK` line': async () => {
      const behind = final((connection) => connection.send('+OK logged in\r\n+OK\r\n* more\r\n'));
      const { heard } = await logsIn(behind, '+OK logged in');
      assert.match(heard, /\+OK logged in\r\n\+OK\r\n\* more\r\n/);
    },
    'says `-ERR` to XCLIENT': () => {
      const script: Script = async (connection) => {
        greets(connection);
        for (let line = await connection.line(); line !== null; line = await connection.line())
          connection.send(line.startsWith('XCLIENT') ? `-ERR ${GOSSIP}\r\n` : '+OK\r\n');
        connection.end();
      };
      return logsIn(script, '+OK', { xclient: true });
    },
    'closes in the session': endsAs((connection) => connection.end()),
    'resets the connection in the session': endsAs((connection) => connection.reset()),
  };

  test('every row is run', () => {
    assert.deepEqual(HARMLESS.map(([what]) => what).sort(), Object.keys(CASES).sort());
  });

  for (const [what = '', comes = ''] of HARMLESS) {
    test(what, async () => void (await CASES[what]!(quoted(comes)[1] ?? '')));
  }
});
