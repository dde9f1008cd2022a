/** openssl's client against a server of the transport under test. */
import type { ServerTls, Transport } from '../../src/transport/transport.ts';
import { ascii } from './octets.ts';
import { run } from './peers.ts';
import { onStage, type Probe, type Stage } from './probe.ts';

const SECURED = '+OK secured\r\n';

/** What `openssl s_client` says of a handshake; a line that begins with Q ends it. */
export async function sClient(stage: Stage, ...args: string[]): Promise<string> {
  const connect = ['s_client', '-connect', `127.0.0.1:${stage.listener.port}`];
  return (await run('openssl', [...connect, ...args], 'Q\n', /\+OK secured/)).output;
}

/** The common name of the certificate that the server showed. */
export const subject = (output: string): string => /subject=CN = (\S+)/.exec(output)?.[1] ?? output;

/** Runs `body` on a listener that begins every connection with TLS. */
export function onTlsServer(
  transport: Transport,
  tls: () => ServerTls,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  // A greeting, as of any POP3 server: BoringSSL sends its tickets with the first octets of the application.
  const prepare = (server: Probe) => {
    server.reactions.secured = (connection) => connection.write(ascii(SECURED));
    server.reactions.ended = (connection) => connection.end();
  };
  return onStage(transport, { prepare, accept: (connection) => connection.startTls(tls()) }, body);
}

/** The same after STLS. */
export function onStlsServer(
  transport: Transport,
  tls: () => ServerTls,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const prepare = (server: Probe) => {
    server.reactions.received = (connection) => {
      if (connection.tls !== null) return;
      connection.write(ascii('+OK begin\r\n'));
      connection.startTls(tls());
    };
    server.reactions.secured = (connection) => connection.write(ascii(SECURED));
    server.reactions.ended = (connection) => connection.end();
  };
  const accept = (connection: { write(octets: Uint8Array): boolean }) => {
    connection.write(ascii('+OK hello\r\n'));
  };
  return onStage(transport, { accept, prepare }, body);
}
