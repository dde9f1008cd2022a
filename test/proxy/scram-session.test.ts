/** SCRAM on a real connection: a login in halves, between which anything may happen. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Decision, Salting } from '../../src/auth/authenticator.ts';
import { between, logsIn } from '../support/between.ts';
import { turns } from '../support/clock.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { accepted } from '../support/proxy.ts';
import type { Script } from '../support/scripted-mailstore.ts';

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const FIRST = `AUTH SCRAM-SHA-256 ${base64('n,,n=john,r=abc')}`;
const PROVED = { ...accepted('johnacme'), serverSignature: 's'.repeat(32) } as Decision;
const METHODS = ['USER', 'SCRAM-SHA-256'] as const;
const options = (more: object = {}) => ({ methods: METHODS, decide: () => PROVED, ...more });

/** The final message to the server's first. */
function finalTo(challenge: string): string {
  const nonce = /^r=([^,]+),/.exec(Buffer.from(challenge.slice(2), 'base64').toString('latin1'))![1];
  return base64(`c=biws,r=${nonce},p=${base64('p'.repeat(32))}`);
}

/** Up to the server's signature. */
async function prove(client: Pop3Client): Promise<string> {
  await client.line();
  return client.ask(finalTo(await client.ask(FIRST)));
}

describe('a login by SCRAM', () => {
  test('opens the mailstore once the client has seen the signature, and not before', async () => {
    await between(logsIn, options(), async (client, { mailstore, proxy }) => {
      assert.equal(await prove(client), `+ ${base64(`v=${base64('s'.repeat(32))}`)}`);
      await turns();
      assert.equal(mailstore.connections.length, 0);
      assert.match(await proxy.metrics.text(), /sessions\{phase="authorization"\} 1/);
      assert.equal(await client.ask(''), '+OK logged in');
      assert.equal(mailstore.connections.length, 1);
      client.reset();
      const [session] = await proxy.logged(1);
      assert.deepEqual([session?.result, session?.login, session?.attempts], ['accepted', 'john', 1]);
    });
  });

  test('hands over what comes behind it, with all of it in as few segments as can be', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      assert.equal(await connection.line(), 'STAT');
      connection.send('+OK 2 320\r\n');
    };
    await between(script, options(), async (client) => {
      await client.line();
      client.send(`${FIRST}\r\n`);
      client.send(`${finalTo(await client.line())}\r\n\r\nSTAT\r\n`);
      const replies = [await client.line(), await client.line(), await client.line()];
      assert.match(replies[0]!, /^\+ /);
      assert.deepEqual(replies.slice(1), ['+OK logged in', '+OK 2 320']);
    });
  });

  test('given up behind the signature opens nothing, and another one starts anew', async () => {
    await between(logsIn, options(), async (client, { mailstore }) => {
      await prove(client);
      assert.equal(await client.ask('*'), '-ERR Authentication cancelled');
      assert.equal(await client.ask('NOOP'), '+OK');
      const challenge = await client.ask(FIRST);
      await client.ask(finalTo(challenge));
      assert.equal(await client.ask(''), '+OK logged in');
      assert.equal(mailstore.connections.length, 1);
    });
  });

  for (const [where, steps] of [
    ['behind the first message', 1],
    ['behind the signature', 2],
  ] as const) {
    test(`is dropped with a client that leaves ${where}`, async () => {
      await between(logsIn, options(), async (client, { mailstore, proxy }) => {
        if (steps === 1) {
          await client.line();
          await client.ask(FIRST);
        } else await prove(client);
        client.reset();
        await proxy.logged(1);
        assert.equal(proxy.sessions.size, 0);
        assert.equal(mailstore.connections.length, 0);
        const text = await proxy.metrics.text();
        for (const phase of ['authorization', 'authenticating', 'connecting'])
          assert.match(text, new RegExp(`sessions\\{phase="${phase}"\\} 0`));
      });
    });
  }

  test('waits for the salt with nothing else run, and ends with a client that leaves meanwhile', async () => {
    let answer: (salting: Salting) => void = () => {};
    const salt = () => new Promise<Salting>((resolve) => (answer = resolve));
    await between(logsIn, options({ salt }), async (client, { proxy }) => {
      await client.line();
      client.send(`${FIRST}\r\n*\r\nNOOP\r\n`);
      await turns();
      assert.match(await proxy.metrics.text(), /sessions\{phase="authenticating"\} 1/);
      answer({ result: 'salted', salted: { salt: 'pepper', iterations: 4096 } });
      assert.match(await client.line(), /^\+ /);
      assert.equal(await client.line(), '-ERR Authentication cancelled');
      assert.equal(await client.line(), '+OK');
      client.send(`${FIRST}\r\n`);
      await turns();
      client.reset();
      const [session] = await proxy.logged(1);
      assert.equal(session?.reason, 'client-gone');
      answer({ result: 'salted', salted: { salt: 'pepper', iterations: 4096 } });
      await turns();
      assert.equal(proxy.sessions.size, 0);
    });
  });

  test('without a salt is told to try again, and counts as no wrong password', async () => {
    const salt = (): Salting => ({ result: 'unavailable', reason: 'tables-unavailable' });
    await between(logsIn, options({ salt }), async (client, { proxy }) => {
      await client.line();
      for (let i = 0; i < 4; i++) assert.match(await client.ask(FIRST), /^-ERR \[SYS\/TEMP\] /);
      client.reset();
      const [session] = await proxy.logged(1);
      assert.deepEqual([session?.result, session?.reason], ['unavailable', 'tables-unavailable']);
    });
  });

  test('that is proved and comes to nothing at the mailstore is answered behind the signature', async () => {
    const refuses: Script = async (connection) => {
      connection.send('-ERR no\r\n');
      await connection.line();
    };
    await between(refuses, options(), async (client) => {
      assert.match(await prove(client), /^\+ /);
      assert.match(await client.ask(''), /^-ERR \[SYS\/TEMP\] /);
      assert.equal(await client.ask('NOOP'), '+OK');
    });
  });

  test('stays within the time between two lines, behind the signature too', async () => {
    await between(logsIn, options({ limits: { lineMs: 1_000 } }), async (client, { mailstore }) => {
      await prove(client);
      assert.equal(await client.rest(), '-ERR Timed out\r\n');
      assert.equal(mailstore.connections.length, 0);
    });
  });

  test('is sent away by a stop between its halves', async () => {
    await between(logsIn, options(), async (client, { proxy }) => {
      await prove(client);
      const drained = proxy.sessions.drain(1000);
      assert.match(await client.rest(), /^-ERR \[SYS\/TEMP\] Shutting down/);
      await client.gone();
      await drained;
    });
  });

  test('that waits for its salt as the proxy stops is told so when it has come', async () => {
    let answer: (salting: Salting) => void = () => {};
    const salt = () => new Promise<Salting>((resolve) => (answer = resolve));
    await between(logsIn, options({ salt }), async (client, { proxy }) => {
      await client.line();
      client.send(`${FIRST}\r\n`);
      await turns();
      const drained = proxy.sessions.drain(2000);
      answer({ result: 'salted', salted: { salt: 'pepper', iterations: 4096 } });
      assert.match(await client.line(), /^\+ /);
      assert.match(await client.line(), /^-ERR \[SYS\/TEMP\] Shutting down/);
      await client.gone();
      await drained;
    });
  });
});
