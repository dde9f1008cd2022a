import { copyOf } from './copy.ts';
import type { ConnectionHandler, Endpoint, Ends, TlsSession, TransportError } from './transport.ts';

/** How each transport fails a handshake for reasons of its own. */
export const HANDSHAKE_CUT: TransportError = {
  kind: 'tls',
  message: 'the peer closed the connection during the handshake',
};
export const OCTETS_BEFORE_TLS: TransportError = {
  kind: 'tls',
  message: 'octets came instead of a TLS handshake',
};

/** A close without a reason while octets were queued: nobody may take it for one in order. */
export const UNSENT: TransportError = { kind: 'reset', message: 'closed before all octets were sent' };

const IPV4_MAPPED = '::ffff:';

const NOTHING: Uint8Array = new Uint8Array(0);

/** A listener on '::' sees IPv4 peers as ::ffff:192.0.2.1; logs, limits and tables want 192.0.2.1. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith(IPV4_MAPPED) && address.includes('.')
    ? address.slice(IPV4_MAPPED.length)
    : address;
}

/** What sockets of both runtimes tell of themselves, as long as they are open. */
export type Addressed = {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
};

/** An end that is not known. */
export const NOWHERE: Endpoint = { address: '', port: 0 };

export function remoteEnd({ remoteAddress, remotePort = 0 }: Addressed): Endpoint {
  return { address: plainAddress(remoteAddress), port: remotePort };
}

export function localEnd({ localAddress, localPort = 0 }: Addressed): Endpoint {
  return { address: plainAddress(localAddress), port: localPort };
}

/** The part of a connection that is plain data, alike on all transports. */
export class ConnectionState {
  handler: ConnectionHandler;
  context: unknown;
  /** Kept here because a closed socket has forgotten them, and the session's log line comes after. */
  protected remote = NOWHERE;
  protected local = NOWHERE;
  tls: TlsSession | null = null;
  octetsIn = 0;
  octetsOut = 0;
  /** What has been received of the handshake before it began. */
  protected unread = NOTHING;

  constructor(handler: ConnectionHandler, context: unknown) {
    this.handler = handler;
    this.context = context;
  }

  get remoteAddress(): string {
    return this.remote.address;
  }

  get remotePort(): number {
    return this.remote.port;
  }

  get localAddress(): string {
    return this.local.address;
  }

  get localPort(): number {
    return this.local.port;
  }

  introduced(length: number, { remote, local }: Ends): void {
    this.octetsIn -= length;
    this.remote = remote;
    this.local = local;
  }

  /** The handshake's octets are none of the application's; what was received is its owner's only for a moment. */
  protected takeBack(unread = NOTHING): void {
    this.octetsIn -= unread.length;
    this.unread = copyOf(unread);
  }
}
