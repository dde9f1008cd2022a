/** Logins that a mailstore fails, one after the other; what becomes of each is in failures-page.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { between } from '../support/between.ts';
import { type Misdeed, servesAll, upTo } from '../support/misdeeds.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { accepted } from '../support/proxy.ts';
import type { Script } from '../support/scripted-mailstore.ts';

const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';

async function logInAs(client: Pop3Client): Promise<string> {
  assert.equal(await client.ask('USER john'), '+OK Send the password');
  return client.ask('PASS secret');
}

const atLogin =
  (deed: Misdeed): Script =>
  async (connection) => {
    await upTo('login', connection);
    deed(connection);
  };

describe('login after login that cannot be decided', () => {
  test('uses up no attempt, and ends the connection after ten', async () => {
    const refuse = atLogin((connection) => connection.send('-ERR no\r\n'));
    await between(refuse, {}, async (client, { proxy, mailstore }) => {
      await client.line();
      for (let i = 0; i < 10; i++) assert.equal(await logInAs(client), PERM);
      assert.equal(await client.rest(), '');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.deepEqual([record?.end, record?.attempts], ['undecided-logins', 10]);
      assert.equal(mailstore.connections.length, 10);
    });
  });
});

test('a login that fails leaves nothing behind for the next one', async () => {
  const script: Script = (connection) =>
    connection.number === 1 ? atLogin((first) => first.reset())(connection) : servesAll(connection);
  await between(script, {}, async (client, { mailstore }) => {
    await client.line();
    assert.equal(await logInAs(client), TEMP);
    assert.equal(mailstore.connections.length, 1, 'a login command is sent once, never again elsewhere');
    assert.equal(await logInAs(client), '+OK logged in');
    assert.equal(mailstore.connections[1]!.received, 'USER johnacme\r\nPASS upstream-secret\r\n');
  });
});

test('a password that no command can carry is a wrong one where the mailstore checks it, and nobody is asked', async () => {
  const decide = () => accepted('john', true);
  await between(servesAll, { decide }, async (client, { proxy, mailstore }) => {
    await client.line();
    const response = Buffer.from(`\0john\0${'p'.repeat(400)}`).toString('base64');
    await client.ask('AUTH PLAIN');
    assert.equal(await client.ask(response), '-ERR [AUTH] Login failed');
    assert.equal(mailstore.connections.length, 0);
    assert.ok(!proxy.lines.some((line) => line.includes('upstream-failed')));
  });
});
