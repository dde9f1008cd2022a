/** When a login that is not let in is answered: never earlier by what was wrong with it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Decision } from '../../src/auth/authenticator.ts';
import { between, logsIn } from '../support/between.ts';
import { accepted } from '../support/proxy.ts';
import type { Script } from '../support/scripted-mailstore.ts';

const DELAY = 400;

/** The reply to PASS, and how many milliseconds it took. */
async function refused(
  script: Script,
  decision: Decision,
  upstream = {},
): Promise<{ reply: string; took: number; logged: string }> {
  let outcome = { reply: '', took: 0, logged: '' };
  const options = { decide: () => decision, failureDelayMs: DELAY, upstream };
  await between(script, options, async (client, { proxy }) => {
    await client.line();
    await client.ask('USER john');
    const start = performance.now();
    const reply = await client.ask('PASS secret');
    const took = performance.now() - start;
    client.destroy();
    const [session] = await proxy.logged(1);
    outcome = { reply: reply.split(']')[0]!, took, logged: session!.reason };
  });
  return outcome;
}

const saying =
  (...replies: string[]): Script =>
  async (connection) => {
    for (const reply of replies) {
      connection.send(reply);
      await connection.line();
    }
  };

const RIGHT = accepted('johnacme');
const LEFT_TO_MAILSTORE = accepted('root', true);

describe('a login that is refused', () => {
  const cases: [string, Script, Decision, string, string][] = [
    [
      'wrong password',
      logsIn,
      { result: 'rejected', reason: 'wrong-password' },
      '-ERR [AUTH',
      'wrong-password',
    ],
    ['the mailstore refuses', saying('-ERR no\r\n'), RIGHT, '-ERR [SYS/TEMP', 'upstream-refused'],
    [
      'refuses the login',
      saying('+OK\r\n', '+OK\r\n', '-ERR no\r\n'),
      RIGHT,
      '-ERR [SYS/PERM',
      'upstream-refused',
    ],
    ['talks nonsense', saying('HTTP/1.0 200 OK\r\n'), RIGHT, '-ERR [SYS/TEMP', 'upstream-protocol'],
    [
      'is in use',
      saying('+OK\r\n', '+OK\r\n', '-ERR [IN-USE] x\r\n'),
      RIGHT,
      '-ERR [IN-USE',
      'upstream-refused',
    ],
    [
      'the rule gives no name',
      logsIn,
      { result: 'unavailable', reason: 'no-local-user' },
      '-ERR [SYS/PERM',
      'no-local-user',
    ],
    ['a name that could be a master', logsIn, accepted('a*b'), '-ERR [SYS/PERM', 'no-local-user'],
    [
      'the mailstore checks, and refuses',
      saying('+OK\r\n', '+OK\r\n', '-ERR no\r\n'),
      LEFT_TO_MAILSTORE,
      '-ERR [AUTH',
      'refused-by-upstream',
    ],
  ];
  for (const [what, script, decision, reply, logged] of cases) {
    test(`${what}: ${reply}], in its time`, async () => {
      const outcome = await refused(script, decision);
      assert.deepEqual([outcome.reply, outcome.logged], [reply, logged]);
      assert.ok(outcome.took >= DELAY - 1, `${outcome.took} ms`);
    });
  }

  test('by a mailstore that is not there, in its time', async () => {
    const { reply, took } = await refused(logsIn, RIGHT, { port: 1 });
    assert.equal(reply, '-ERR [SYS/TEMP');
    assert.ok(took >= DELAY - 1, `${took} ms`);
  });
});
