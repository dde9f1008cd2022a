import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { pickTransport } from '../../src/transport/pick.ts';
import type { ClientTls } from '../../src/transport/transport.ts';
import type { TestProxyOptions } from './proxy.ts';
import { type Script, startScriptedMailstore } from './scripted-mailstore.ts';
import { SILENT, withSilence } from './silence.ts';
import { type TestCertificate, type TestCertificates, temporaryCertificates } from './tls.ts';

/** A mailstore that fails before it greets: how the proxy is set to reach it, and how it ends. */
export type Failing = { options: TestProxyOptions; stop: () => unknown };

/** Short enough for a test that waits for it. */
export const SOON_MS = 300;

let made: TestCertificates | null = null;

/** Made for the first test that needs some. */
export function certificates(): TestCertificates {
  made ??= temporaryCertificates();
  return made;
}

export async function trusting(serverName = 'mail.test'): Promise<ClientTls> {
  const { ca } = certificates();
  return (await pickTransport()).clientTls({ ca, serverName, verify: true, minVersion: 'TLSv1.2' });
}

const unreached = (options: Partial<TestProxyOptions>, upstream: object): Failing => ({
  options: { ...options, upstream: { port: 1, host: 'mail.test', ...upstream } },
  stop() {},
});

const resolvingTo = (...addresses: string[]) => ({ resolver: { resolve: async () => addresses } });

/** The runtime's own TLS server, which logs everybody in. */
async function overTls(
  certificate: TestCertificate,
  serverName: string,
  more: TlsOptions = {},
): Promise<Failing> {
  const server = createTlsServer(
    { cert: certificate.certificate, key: certificate.key, ...more },
    (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('+OK\r\n'));
      socket.write('+OK ready\r\n');
    },
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const clientTls = await trusting(serverName);
  return {
    options: { upstream: { port, tls: 'implicit', clientTls } },
    stop: () => server.close(),
  };
}

/** A TLS port that is none. */
async function implicit(script: Script, timeoutMs = 5_000): Promise<Failing> {
  return scripted(script, { tls: 'implicit', clientTls: await trusting(), timeoutMs });
}

async function scripted(script: Script, upstream: object): Promise<Failing> {
  const mailstore = await startScriptedMailstore(script);
  return {
    options: { upstream: { port: mailstore.port, ...upstream } },
    stop: () => mailstore.close(),
  };
}

async function toStls(answer: string, closes: boolean, timeoutMs: number): Promise<Failing> {
  const script: Script = async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    connection.send(answer);
    if (closes) connection.end();
  };
  return scripted(script, { tls: 'starttls', clientTls: await trusting(), timeoutMs });
}

/** By the words of docs/failures.md. */
export const FAILING: Readonly<Record<string, () => Failing | Promise<Failing>>> = {
  'has a name that cannot be resolved': () =>
    unreached({ resolver: { resolve: () => Promise.reject(new Error('ENOTFOUND')) } }, {}),
  'has a name without an address': () => unreached(resolvingTo(), {}),
  // The mailstores of these tests are on 127.0.0.1 alone.
  'refuses the connection': () => unreached({}, { host: '127.0.0.2' }),
  // To the broadcast address of a network no TCP connection leads.
  'is where no route leads': () => unreached({}, { host: '127.255.255.255' }),
  async 'does not answer the connection in time'() {
    const { transport } = await withSilence();
    return unreached({ transport, ...resolvingTo(SILENT) }, { timeoutMs: SOON_MS });
  },
  'has a certificate for another name': () => overTls(certificates().ecdsa, 'other.test'),
  'has an expired certificate': () => overTls(certificates().expired, 'mail.test'),
  'has a certificate of an unknown authority': () => overTls(certificates().stranger, 'mail.test'),
  'knows TLS 1.1 at most': () =>
    overTls(certificates().ecdsa, 'mail.test', {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      // OpenSSL has to be told that it may; Bun's BoringSSL knows no such level.
      ...(process.versions.bun === undefined ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
    }),
  'greets in plain text on its TLS port': () => implicit((connection) => connection.send('+OK ready\r\n')),
  'closes in the handshake': () =>
    implicit(async (connection) => {
      await connection.until(() => connection.received !== '');
      connection.end();
    }),
  'hangs in the handshake': () => implicit(() => {}, SOON_MS),
  'says `+OK` to STLS and no more': () => toStls('+OK go\r\n', false, SOON_MS),
  'says `+OK` to STLS and closes': () => toStls('+OK go\r\n', true, 5_000),
};
