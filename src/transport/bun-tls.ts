/**
 * TLS for Bun's sockets. Bun takes a ready context (`secureContext`) for each handshake: prepared once, it costs no
 * SSL_CTX a connection, and a session ticket given out by one handshake resumes in the next.
 */
import type { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContextOptions } from 'node:tls';
import type { BunConnection } from './bun-connection.ts';
import { type Events, tlsEvents } from './bun-events.ts';
import type { NativeSocket } from './bun-socket.ts';
import { alpnWire, type ByName, contextsByName } from './certificates.ts';
import { cipherList, serverOptions } from './ciphers.ts';
import { errorCode, transportError } from './errors.ts';
import { type PeerVerdict, verdictOn } from './peer-verdict.ts';
import type {
  ClientTls,
  ClientTlsOptions,
  ServerTls,
  ServerTlsOptions,
  TlsSession,
  TransportError,
} from './transport.ts';

/** Bun's native context, opaque. */
export type NativeContext = object;

/** What `upgradeTLS` takes, with what Bun's type declarations leave out. */
type UpgradeTls = Bun.TLSOptions & { secureContext: NativeContext };
type UpgradeOptions = Bun.TLSUpgradeOptions<BunConnection> & {
  isServer: boolean;
  /** Ciphertext that was received before: fed to the handshake within the call, which copies it. */
  initialData?: Uint8Array;
};

export type BunServerTls = ServerTls & { readonly upgrade: UpgradeTls; readonly events: Events };
export type BunClientTls = ClientTls & { readonly upgrade: UpgradeTls };
export type BunTls = BunServerTls | BunClientTls;

function nativeContext(options: SecureContextOptions): NativeContext {
  return createSecureContext(options).context as NativeContext;
}

/** Bun asks `serverName` for the context of the name in the ClientHello; nothing returned keeps the first. */
function eventsWithNames(byName: ByName<NativeContext>): Events {
  const serverName = (_listener: unknown, name: string) => byName(name);
  return { ...tlsEvents, serverName } as Events;
}

export function bunServerTls(options: ServerTlsOptions): BunServerTls {
  const { first, byName } = contextsByName(options, (pairs) =>
    nativeContext({
      cert: pairs.map(({ certificate }) => certificate),
      key: pairs.map(({ key }) => key),
      minVersion: options.minVersion,
      ciphers: cipherList(options),
      secureOptions: serverOptions(options),
      sessionTimeout: options.sessions.lifetime,
      ...(options.clientCa === null ? {} : { ca: options.clientCa }),
    }),
  );
  const upgrade: UpgradeTls = { secureContext: first };
  // Not rejected by Bun, which would do it without a word: a session whose certificate is missing is told so.
  if (options.clientCa !== null) Object.assign(upgrade, { requestCert: true, rejectUnauthorized: false });
  if (options.alpn.length > 0) upgrade.ALPNProtocols = alpnWire(options.alpn);
  return { side: 'server', options, upgrade, events: eventsWithNames(byName) };
}

export function bunClientTls(options: ClientTlsOptions): BunClientTls {
  const ca = options.ca ?? getCACertificates('system');
  const upgrade: UpgradeTls = {
    secureContext: nativeContext({ ca, minVersion: options.minVersion }),
    serverName: options.serverName,
    rejectUnauthorized: options.verify,
  };
  return { side: 'client', options, upgrade };
}

/** Starts the handshake, with `unread` as its first octets, and hands back the socket that carries the plaintext. */
export function upgrade(
  socket: NativeSocket,
  tls: BunTls,
  connection: BunConnection,
  unread: Uint8Array,
): NativeSocket {
  const options: UpgradeOptions = {
    isServer: tls.side === 'server',
    tls: tls.upgrade,
    socket: tls.side === 'server' ? tls.events : tlsEvents,
    data: connection,
    ...(unread.length > 0 ? { initialData: unread } : {}),
  };
  return socket.upgradeTLS(options)[1] as NativeSocket;
}

/** What the handshake agreed on. @param error what Bun's `handshake` event said of the peer's certificate */
export function sessionOf(socket: NativeSocket, tls: BunTls, error: Error | null): TlsSession {
  return {
    ...peerOf(socket, tls, error),
    version: socket.getTLSVersion(),
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol || null,
    resumed: socket.isSessionReused(),
    serverName: (tls.side === 'client' ? tls.options.serverName : socket.getServername()) || null,
  };
}

function peerOf(socket: NativeSocket, tls: BunTls, error: Error | null): PeerVerdict {
  if (tls.side === 'client' || tls.options.clientCa === null) return verdictOn(undefined, null);
  const fault = error === null && socket.authorized ? null : errorCode(error) || 'UNVERIFIED';
  return verdictOn(socket.getPeerX509Certificate() as X509Certificate | undefined, fault);
}

/**
 * Why a finished handshake is not to be used; null where it is. A client that verifies trusts nothing but a clean
 * verdict: success, no error and `authorized`, each of which Bun tells on its own.
 */
export function refusal(
  socket: NativeSocket,
  tls: BunTls,
  success: boolean,
  error: Error | null,
): TransportError | null {
  const fault = error === null ? FAILED : handshakeError(error);
  const verify = tls.side === 'client' && tls.options.verify;
  // Not asked to verify, Bun still calls a wrong name a failure, though the session stands. A server asks for no
  // certificate: what is said of the client's means nothing.
  if (!verify) return success || (tls.side === 'client' && fault.kind === 'certificate') ? null : fault;
  return success && error === null && socket.authorized ? null : fault;
}

const FAILED: TransportError = { kind: 'tls', message: 'the TLS handshake failed' };

/** Bun says ECONNRESET of each connection that ends before the handshake does, reset or not. */
function handshakeError(error: Error): TransportError {
  const { kind, message } = transportError(error);
  return { kind: kind === 'certificate' ? kind : 'tls', message };
}
