/**
 * The sockets, as the rest of the proxy sees them. Three rooms stand behind this interface: `bun` (native
 * sockets, the default), `node` (node:net and node:tls) and `memory` (tests). One conformance suite passes on
 * all of them.
 *
 * Rules that every implementation keeps:
 * - Handlers are shared: one object serves any number of connections; what belongs to one connection hangs on
 *   `connection.context`. Both may be swapped at any time; the next event goes to the new handler.
 * - No handler is called from inside a call on the connection (`write`, `end`, `resume` …): events come from
 *   the event loop, so that nobody is re-entered.
 * - No octet is lost: octets accepted by `write` reach the peer unless the connection is destroyed or breaks;
 *   `end` closes the sending side only after them, and receiving goes on.
 * - `closed` comes exactly once for each connection, last of all, after `destroy` too.
 */

/** What a connection's owner hears of it. */
export interface ConnectionHandler {
  /** Connect only: the TCP connection stands. Nothing else is called before it but `closed`. */
  opened(connection: Connection): void;
  /** Octets from the peer. The array is the handler's only until it returns: copy what must be kept. */
  received(connection: Connection, octets: Uint8Array): void;
  /** After a `write` that returned false: everything that was queued has been taken. */
  drained(connection: Connection): void;
  /**
   * The peer has closed its sending side; no octet follows. Sending is still possible. With TLS a bare FIN counts as a
   * close_notify does: POP3's replies say themselves where they end. When both sides have ended, `closed` follows.
   */
  ended(connection: Connection): void;
  /** After `startTls` (or on a TLS listener): the handshake is done and, for a client, verified. */
  secured(connection: Connection): void;
  /** The connection is gone; `error` where it broke. Never followed by another event. */
  closed(connection: Connection, error: TransportError | null): void;
}

/** Why a connection broke; `kind` is bounded and fit for a metric label, `message` for the log. */
export type TransportError = {
  kind: 'refused' | 'unreachable' | 'reset' | 'timeout' | 'tls' | 'certificate' | 'other';
  message: string;
};

export interface Connection {
  handler: ConnectionHandler;
  context: unknown;
  /** Textual IP address, IPv4-mapped IPv6 addresses given as IPv4. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** What the TLS handshake agreed on; null before it. */
  readonly tls: TlsSession | null;
  /** Application octets received and accepted for sending (inside TLS, where there is TLS). */
  readonly octetsIn: number;
  readonly octetsOut: number;
  /** Octets accepted by `write` that the kernel has not taken yet. */
  readonly queued: number;

  /**
   * Sends octets. True when all were taken at once; false when some were queued: the caller should stop until
   * `drained`. Octets are copied where they are queued, so the array may be reused when the call returns.
   * After `end`, `destroy` or a loss the octets are dropped and the answer is true.
   */
  write(octets: Uint8Array): boolean;
  /** Stops and restarts `received` and `ended`. A loss of the connection is reported while paused where the system tells. */
  pause(): void;
  resume(): void;
  /**
   * Begins a TLS handshake, as the server with a `ServerTls`, as the client with a `ClientTls`, right behind the octets written so
   * far. Octets that came before it must have been consumed by the caller; `received` is silent until
   * `secured`. A failed handshake is `closed` with kind 'tls' or 'certificate'.
   * @param unread octets already received that are the peer's first of the handshake, as behind a PROXY header;
   *   copied, and no longer counted in `octetsIn`. What came behind STLS is never to be handed in here.
   */
  startTls(tls: ServerTls | ClientTls, unread?: Uint8Array): void;
  /**
   * The first octets received were a header by which a load balancer tells whose connection this is: the addresses
   * are those from here on, and `octetsIn` is without the header's `length`.
   */
  introduced(length: number, ends: Ends): void;
  /** Half-close: no more octets are sent once what is queued has gone. With TLS, a close_notify goes first. */
  end(): void;
  /**
   * Closes both ways at once, dropping what is queued. The peer may see a reset, which can take octets with it that
   * are on their way: `end` first where they matter.
   */
  destroy(): void;
}

export type Endpoint = { address: string; port: number };
/** Both ends of a connection, addresses textual as in Connection. */
export type Ends = { remote: Endpoint; local: Endpoint };

export type TlsSession = {
  /** 'TLSv1.3', 'TLSv1.2' … */
  version: string;
  /** OpenSSL's name of the cipher suite. */
  cipher: string;
  /** What ALPN chose; null where the client offered none. */
  alpn: string | null;
  /** The server name that the client asked for; null where none. */
  serverName: string | null;
  /** By a ticket of an earlier session, without a full handshake. */
  resumed: boolean;
  /**
   * The client's certificate, verified: signed by one of `clientCa`, in its time and made for clients. Null where none
   * was asked for or shown, and for a client's own session.
   */
  peer: PeerCertificate | null;
  /** A certificate that the client showed and that nothing may be based on, and why. The handshake went on with it. */
  distrusted: DistrustedCertificate | null;
};

/** What a certificate says of whose it is. Names are octet strings. */
export type PeerCertificate = {
  /** Of the subject's alternative names (RFC 5280, 4.2.1.6) those of types rfc822Name and dNSName. */
  names: { email: readonly string[]; dns: readonly string[] };
  /** The subject's last common name; null where there is none, or none that is text without control characters. */
  commonName: string | null;
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it. */
  fingerprint256: string;
};

/** `reason` is the TLS library's code, such as CERT_HAS_EXPIRED; `certificate` null where it could not be read. */
export type DistrustedCertificate = { certificate: PeerCertificate | null; reason: string };

/** PEM text of a certificate chain and its private key. */
export type Certificate = { certificate: string; key: string };

export type ServerTlsOptions = {
  /** The first serves clients without SNI and those that ask for a name that none of them holds. */
  certificates: readonly [Certificate, ...Certificate[]];
  minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL cipher string for TLS 1.2 and below; null for what is sound and common. TLS 1.3 has its own few. */
  ciphers: string | null;
  /** Whose order decides where both know several, in TLS 1.2 and below. */
  cipherPreference: 'server' | 'client';
  /** Protocols for ALPN; a client that offers only others is refused. Without ALPN a client is let in. */
  alpn: readonly string[];
  /** PEM text of the authorities of client certificates: a client is asked for one of theirs. Null asks for none. */
  clientCa: string | null;
  /** How clients resume without a full handshake, by tickets (RFC 5077; RFC 8446, 4.6.1). */
  sessions: {
    /** Of a ticket, in seconds; 7 days at most. */
    lifetime: number;
    /** Its holders take each other's tickets; null for the process's own. Needs a transport that `sharesTickets`. */
    secret: Uint8Array | null;
  };
};

export type ClientTlsOptions = {
  /** PEM text of the authorities trusted; null for the system's. */
  ca: string | null;
  /** The name sent as SNI and looked for in the certificate. */
  serverName: string;
  /** False accepts any certificate. */
  verify: boolean;
  minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
};

/** Contexts prepared once and used for any number of handshakes; a reload makes new ones. Opaque outside transport/. */
export interface ServerTls {
  readonly side: 'server';
  readonly options: ServerTlsOptions;
}
export interface ClientTls {
  readonly side: 'client';
  readonly options: ClientTlsOptions;
}

/** TCP keepalive and user timeout, all in seconds. */
export type KeepAlive = { idle: number; interval: number; count: number; userTimeout: number };

export type ListenOptions = {
  /** IP address to bind; '::' takes IPv4 as well. */
  address: string;
  /** 0 lets the system choose. */
  port: number;
  /** Share the port with other processes (SO_REUSEPORT). Unset, a second bind is refused. */
  reusePort?: boolean;
  /**
   * With `reusePort`, how many processes share the port: which of them gets a connection is then told by the client's
   * address alone, IPv6 by its /64. Where fewer listen, the system's own way stands in.
   */
  spreadOver?: number;
  /** Length of the accept queue asked of the kernel; Bun has none but 512. */
  backlog?: number;
  /** Set once on the listening socket, inherited by each accepted one (a call for each connection costs 10 to 20 µs). */
  keepAlive?: KeepAlive;
  /** Called for each new connection; sets `handler` and `context` before it returns, and may call `startTls` for implicit TLS. */
  accept(connection: Connection): void;
};

export interface Listener {
  readonly address: string;
  readonly port: number;
  /** Stops accepting; connections already accepted live on. Resolves when the port is free. */
  close(): Promise<void>;
}

export type ConnectOptions = {
  /** IP address; names are resolved by the caller, who decides which addresses to try. */
  address: string;
  port: number;
  handler: ConnectionHandler;
  context: unknown;
};

export interface Transport {
  readonly name: 'bun' | 'node' | 'memory';
  /** Whether `sessions.secret` is heeded: Bun has no way to give its TLS library the keys of tickets. */
  readonly sharesTickets: boolean;
  /** Rejects with an Error whose `code` is the system's (EADDRINUSE, EACCES …). */
  listen(options: ListenOptions): Promise<Listener>;
  /**
   * Starts connecting; `opened` or `closed` follows. Has no deadline of its own: the caller destroys it. Bun keeps the
   * descriptor of an attempt destroyed on the way until the kernel gives it up (net.ipv4.tcp_syn_retries, 2 minutes).
   */
  connect(options: ConnectOptions): Connection;
  /** Throws an Error that says which certificate cannot be used and why. */
  serverTls(options: ServerTlsOptions): ServerTls;
  clientTls(options: ClientTlsOptions): ClientTls;
  /** Keepalive for one standing connection; never throws, a connection already gone is left alone. */
  keepAlive(connection: Connection, settings: KeepAlive): void;
  /**
   * Acknowledges what has come at once. Else the kernel waits up to 40 ms for octets of ours to do it with, and a peer
   * without TCP_NODELAY waits for that with what it has more to say. Costs about 5 µs; never throws.
   */
  acknowledge(connection: Connection): void;
}
