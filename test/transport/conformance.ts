/** What every transport on real sockets has to keep; run by a file for each of them. */
import type { Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';
import { agreementCases } from './agreements.ts';
import { certificateChoiceCases } from './certificate-choice.ts';
import { clientCertificateCases } from './client-certificate-cases.ts';
import { closingCases } from './closing.ts';
import { handshakeCases } from './handshakes.ts';
import { introductionCases } from './introductions.ts';
import { passingOnCases } from './passing-on.ts';
import type { Tls } from './probe.ts';
import { resumptionCases } from './resumption.ts';
import { socketCases } from './sockets.ts';
import { spreadingCases } from './spreading.ts';
import { streamCases } from './streams.ts';
import { tlsPolicyCases } from './tls-policy.ts';

const MIB = 1_048_576;

/** What Linux lets a send buffer grow to (net.ipv4.tcp_wmem, 4 MiB) and twice as much; a receive buffer grows by reading. */
const STREAMS = { volume: 100 * MIB, inFlight: 12 * MIB };

export function conformance(transport: Transport): void {
  const certificates = temporaryCertificates();
  const server = transport.serverTls({
    ...SERVER_TLS,
    certificates: [certificates.ecdsa, certificates.rsa],
  });
  const client = transport.clientTls({
    ca: certificates.ca,
    serverName: 'mail.test',
    verify: true,
    minVersion: 'TLSv1.2',
  });
  const tls: NonNullable<Tls> = { server, client };

  streamCases(transport, () => null, 'plain', STREAMS);
  streamCases(transport, () => tls, 'TLS', STREAMS);
  passingOnCases(transport, () => null, 'plain');
  passingOnCases(transport, () => tls, 'TLS');
  closingCases(transport, () => tls);
  handshakeCases(transport, () => tls);
  introductionCases(transport, () => tls);
  agreementCases(transport, certificates);
  certificateChoiceCases(transport, certificates);
  clientCertificateCases(transport, certificates);
  resumptionCases(transport, certificates);
  tlsPolicyCases(transport, certificates);
  spreadingCases(transport);
  socketCases(transport, () => tls);
}
