/** `plaintext_auth` and a list of networks: who of them may log in without TLS, and what the others are told. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Pop3Client } from '../support/pop3-client.ts';
import type { Runtime } from '../support/proxy-process.ts';
import { ADDRESS, JOHN, type RunningSite, SECOND_ADDRESS, startSite } from '../support/running-site.ts';
import { logIn } from '../support/site-clients.ts';

const [LISTED, OTHER] = [ADDRESS, SECOND_ADDRESS];
const TLS_NEEDED = '-ERR Log in over TLS only';
const INITIAL_RESPONSE = Buffer.from(`\0${JOHN.login}\0${JOHN.password}`).toString('base64');

for (const runtime of ['bun', 'node'] as const satisfies readonly Runtime[]) {
  describe(`clients of listed networks, ${runtime}`, () => {
    let site: RunningSite;

    before(async () => {
      site = await startSite({
        source: 'files',
        runtime,
        config: () => ({
          listeners: [
            {
              name: 'pop3',
              address: ADDRESS,
              port: 0,
              tls: 'starttls',
              plaintext_auth: ['192.0.2.0/24', `${LISTED}/32`],
            },
            // Takes IPv4, too, and shows the client as ::ffff:127.0.0.1.
            { name: 'both', address: '::', port: 0, tls: 'starttls', plaintext_auth: [`${LISTED}/32`] },
          ],
        }),
      });
    });
    after(() => site.stop());

    /** A client that has read the greeting, and what CAPA says to it. */
    async function open(listener: string, from: string) {
      const client = await Pop3Client.connect(site.proxy.port(listener), ADDRESS, from);
      assert.match(await client.line(), /^\+OK/);
      return { client, capabilities: await capabilities(client) };
    }

    for (const listener of ['pop3', 'both']) {
      test(`${listener}: a listed client sees USER and SASL, and logs in as it likes`, async () => {
        const { client, capabilities } = await open(listener, LISTED);
        for (const name of ['USER', 'SASL PLAIN LOGIN', 'STLS']) assert.ok(capabilities.includes(name), name);
        assert.equal(await logIn(client, JOHN), '+OK Logged in.');
        client.destroy();
        const { client: another } = await open(listener, LISTED);
        assert.equal(await another.ask(`AUTH PLAIN ${INITIAL_RESPONSE}`), '+OK Logged in.');
        another.destroy();
      });

      test(`${listener}: another sees neither, is told to use TLS, and may log in after it`, async () => {
        const { client, capabilities: plain } = await open(listener, OTHER);
        assert.ok(plain.includes('STLS'));
        assert.deepEqual(plain.filter(ofTheLogin), []);
        assert.equal(await client.ask(`USER ${JOHN.login}`), TLS_NEEDED);
        assert.equal(await client.ask(`PASS ${JOHN.password}`), TLS_NEEDED);
        assert.equal(await client.ask(`AUTH PLAIN ${INITIAL_RESPONSE}`), TLS_NEEDED);
        assert.match(await client.ask('STLS'), /^\+OK/);
        await client.startTls(site.certificates.ca);
        assert.deepEqual((await capabilities(client)).filter(ofTheLogin), ['USER', 'SASL PLAIN LOGIN']);
        assert.equal(await logIn(client, JOHN), '+OK Logged in.');
        client.destroy();
      });
    }
  });
}

async function capabilities(client: Pop3Client): Promise<string[]> {
  assert.match(await client.ask('CAPA'), /^\+OK/);
  return client.multiLine();
}

function ofTheLogin(capability: string): boolean {
  return /^(USER|SASL)\b/.test(capability);
}
