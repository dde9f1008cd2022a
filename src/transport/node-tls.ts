/** TLS for node:tls: contexts prepared once, used for any number of handshakes. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import {
  connect,
  createSecureContext,
  DEFAULT_CIPHERS,
  getCACertificates,
  type SecureContext,
  TLSSocket,
} from 'node:tls';
import { contextsByName } from './certificates.ts';
import { cipherList, isOld, serverOptions } from './ciphers.ts';
import { errorCode } from './errors.ts';
import { setTicketKeys, ticketKeys } from './node-tickets.ts';
import { type PeerVerdict, verdictOn } from './peer-verdict.ts';
import type { ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions, TlsSession } from './transport.ts';

type SniCallback = (name: string, done: (error: Error | null, context?: SecureContext) => void) => void;

export type NodeServerTls = ServerTls & { readonly first: SecureContext; readonly bySni: SniCallback };
export type NodeClientTls = ClientTls & { readonly context: SecureContext };
export type NodeTls = NodeServerTls | NodeClientTls;

/** OpenSSL 3 offers TLS before 1.2 at security level 0 alone; BoringSSL, in Bun, knows no levels. */
function levelled(list: string, minVersion: ServerTlsOptions['minVersion']): string {
  return process.versions.bun === undefined && isOld(minVersion) ? `${list}:@SECLEVEL=0` : list;
}

/** A list that names none of TLS 1.3's suites makes Node go without TLS 1.3. */
const TLS_1_3 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

export function nodeServerTls(options: ServerTlsOptions): NodeServerTls {
  const group = sessionGroup(options);
  const keys = ticketKeys(options, group);
  const { first, byName } = contextsByName(options, (pairs) => {
    const context = createSecureContext({
      cert: pairs.map(({ certificate }) => certificate),
      key: pairs.map(({ key }) => key),
      minVersion: options.minVersion,
      ciphers: levelled(`${TLS_1_3}:${cipherList(options)}`, options.minVersion),
      secureOptions: serverOptions(options),
      sessionIdContext: group,
      sessionTimeout: options.sessions.lifetime,
      ...(options.clientCa === null ? {} : { ca: options.clientCa }),
    });
    setTicketKeys(context, keys);
    return context;
  });
  // Of a context given here node:tls takes one certificate, the last, which is RSA's where there is one: ECDSA beside
  // it works in `first` alone, and `first` has to be asked for by giving nothing.
  const bySni: SniCallback = (name, done) => {
    const context = byName(name);
    if (context === undefined || context === first) done(null);
    else done(null, context);
  };
  return { side: 'server', options, first, bySni };
}

/**
 * Sessions resume among contexts of one group (OpenSSL's session id context, 32 octets at most), which have the policy
 * in common: none may pass from where clients show no certificate to where they must.
 */
function sessionGroup({ clientCa, minVersion, ciphers }: ServerTlsOptions): string {
  const policy = JSON.stringify([clientCa, minVersion, ciphers]);
  return createHash('sha256').update(policy).digest('base64url').slice(0, 32);
}

export function nodeClientTls(options: ClientTlsOptions): NodeClientTls {
  const ca = options.ca ?? getCACertificates('system');
  const { minVersion } = options;
  const context = createSecureContext({ ca, minVersion, ciphers: levelled(DEFAULT_CIPHERS, minVersion) });
  return { side: 'client', options, context };
}

/** Starts the handshake on top of `socket`; its end is `secure` for a server, `secureConnect` for a client. */
export function wrap(socket: Socket, tls: NodeTls): TLSSocket {
  if (tls.side === 'client') return wrapClient(socket, tls);
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: tls.first,
    SNICallback: tls.bySni,
    // Not rejected by OpenSSL: a session whose certificate is missing is told so.
    ...(tls.options.clientCa === null ? {} : { requestCert: true, rejectUnauthorized: false }),
    ...(tls.options.alpn.length > 0 ? { ALPNProtocols: [...tls.options.alpn] } : {}),
  });
}

function wrapClient(socket: Socket, tls: NodeClientTls): TLSSocket {
  const { serverName, verify } = tls.options;
  return connect({
    socket,
    secureContext: tls.context,
    rejectUnauthorized: verify,
    // An address is no server name (RFC 6066, 3), but is what the certificate is to hold.
    ...(isIP(serverName) === 0 ? { servername: serverName } : { servername: '', host: serverName }),
  });
}

/** What the handshake agreed on. */
export function sessionOf(socket: TLSSocket, tls: NodeTls): TlsSession {
  const asked = (socket as unknown as { servername?: string | false }).servername;
  return {
    ...peerOf(socket, tls),
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol || null,
    resumed: socket.isSessionReused(),
    serverName: (tls.side === 'client' ? tls.options.serverName : asked) || null,
  };
}

/** What OpenSSL found, which node:tls keeps for its own server. */
type Verifying = { ssl: { verifyError(): Error | null } | null };

function peerOf(socket: TLSSocket, tls: NodeTls): PeerVerdict {
  if (tls.side === 'client' || tls.options.clientCa === null) return verdictOn(undefined, null);
  const { ssl } = socket as unknown as Verifying;
  const error = ssl === null ? new Error('no session') : ssl.verifyError();
  return verdictOn(socket.getPeerX509Certificate(), error ? errorCode(error) || 'UNVERIFIED' : null);
}
