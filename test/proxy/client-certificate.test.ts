import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientCertificates } from '../support/client-certificates.ts';
import { type Identity, Pop3Client } from '../support/pop3-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Script, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { type TestCertificate, temporaryCertificates } from '../support/tls.ts';

const { ca, ecdsa } = temporaryCertificates();
const clients = clientCertificates();
const MISSING = '-ERR A client certificate is needed here';
const REFUSED = '-ERR The client certificate is not accepted';
const SESSION = ['+OK ready', '+OK Send the password', '+OK logged in', '+OK bye'];

const mailstoreScript: Script = async (connection) => {
  await connection.logIn();
  await connection.line();
  connection.send('+OK bye\r\n');
  connection.end();
};

type Mode = 'implicit' | 'starttls';

function identity(shown: TestCertificate | null): Identity {
  return shown === null ? {} : { cert: shown.certificate, key: shown.key };
}

/** What a client hears that logs in over TLS, with everything sent at once. */
async function heard(proxy: TestProxy, mode: Mode, shown: TestCertificate | null): Promise<string[]> {
  const own = identity(shown);
  let client: Pop3Client;
  if (mode === 'implicit') client = await Pop3Client.connectTls(proxy.port, ca, 'localhost', own);
  else {
    client = await Pop3Client.connect(proxy.port);
    await client.line();
    await client.ask('STLS');
    await client.startTls(ca, 'localhost', own);
  }
  client.send('USER john\r\nPASS secret\r\nQUIT\r\n');
  const lines = (await client.rest()).split('\r\n');
  client.destroy();
  assert.equal(lines.pop(), '');
  return lines;
}

async function onProxy(
  mode: Mode,
  certificateRequired: boolean,
  run: (proxy: TestProxy) => Promise<void>,
): Promise<void> {
  const mailstore = await startScriptedMailstore(mailstoreScript);
  const tls = { mode, certificate: ecdsa, clientCa: clients.ca, certificateRequired };
  const proxy = await startTestProxy({ upstream: { port: mailstore.port }, tls });
  try {
    await run(proxy);
  } finally {
    await proxy.close();
    await mailstore.close();
  }
}

for (const mode of ['implicit', 'starttls'] as const) {
  const session = mode === 'implicit' ? SESSION : SESSION.slice(1);

  describe(`client certificates, ${mode}`, () => {
    test('required: nobody gets in without one that holds, and is told why', async () => {
      await onProxy(mode, true, async (proxy) => {
        assert.deepEqual(await heard(proxy, mode, clients.mary), session);
        assert.deepEqual(await heard(proxy, mode, null), [MISSING]);
        assert.deepEqual(await heard(proxy, mode, clients.expired), [REFUSED]);
        assert.deepEqual(await heard(proxy, mode, clients.foreign), [REFUSED]);
        const records = await proxy.logged(4);
        const ends = records.map(({ end, attempts }) => `${end} ${attempts}`);
        const refused = 'certificate-refused 0';
        assert.deepEqual(
          ends.sort(),
          [refused, refused, 'certificate-missing 0', 'upstream-closed 1'].sort(),
        );
      });
    });

    test('not required: without one everybody gets in, with one that does not hold nobody', async () => {
      await onProxy(mode, false, async (proxy) => {
        assert.deepEqual(await heard(proxy, mode, clients.mary), session);
        assert.deepEqual(await heard(proxy, mode, null), session);
        assert.deepEqual(await heard(proxy, mode, clients.server), [REFUSED]);
      });
    });
  });
}

test('a certificate is logged and counted, refused or not', async () => {
  await onProxy('implicit', true, async (proxy) => {
    await heard(proxy, 'implicit', clients.mary);
    await proxy.logged(1);
    await heard(proxy, 'implicit', clients.expired);
    await proxy.logged(2);
    await heard(proxy, 'implicit', null);
    const certificates = (await proxy.logged(3)).map(({ tls }) => tls?.certificate);
    const [mary, expired, none] = certificates;
    const name = 'Mary Müller';
    assert.deepEqual({ ...mary, fingerprint: '' }, { name, fingerprint: '', fault: null });
    assert.deepEqual({ ...expired, fingerprint: '' }, { name, fingerprint: '', fault: 'CERT_HAS_EXPIRED' });
    assert.equal(none, null);
    assert.match(mary!.fingerprint!, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const text = await proxy.metrics.text();
    assert.match(text, /tls_handshakes_total\{listener="test",version="none",result="certificate"\} 2/);
    assert.match(text, /tls_handshakes_total\{listener="test",version="TLSv1\.3",result="full"\} 1/);
    assert.match(text, /sessions_ended_total\{reason="certificate-missing"\} 1/);
    assert.match(text, /sessions_ended_total\{reason="certificate-refused"\} 1/);
  });
});
