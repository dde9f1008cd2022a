import { randomBytes } from 'node:crypto';
import type { Authenticator, Decision, LoginClient, Salting } from '../../src/auth/authenticator.ts';
import { createLog } from '../../src/ops/log.ts';
import { createMetrics, type Metrics } from '../../src/ops/metrics.ts';
import { authorizationPolicy, type PolicySettings } from '../../src/pop3/capability.ts';
import type { Credentials } from '../../src/pop3/credentials.ts';
import { KnownCapabilities } from '../../src/proxy/capabilities.ts';
import { DeadlineWheel } from '../../src/proxy/deadlines.ts';
import type { ProxyProtocol } from '../../src/proxy/introduction.ts';
import { type Limits, type ListenerPolicy, SessionSet } from '../../src/proxy/listener.ts';
import { Resolver } from '../../src/proxy/resolver.ts';
import { Seldom } from '../../src/proxy/seldom.ts';
import { ServerReport } from '../../src/proxy/server-report.ts';
import { Spares } from '../../src/proxy/spares.ts';
import type { LoginMode, Upstream, UpstreamServer } from '../../src/proxy/upstream.ts';
import { type UpstreamHealth, UpstreamPool } from '../../src/proxy/upstream-pool.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import type { Listener, ServerTls, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, type TestCertificate } from './tls.ts';

/** Deadlines short enough for a test, long enough for a loaded machine. */
const LIMITS: Limits = {
  loginMs: 20_000,
  lineMs: 10_000,
  handshakeMs: 5_000,
  sessionIdleMs: 60_000,
  connections: 100,
};

export type TestProxyOptions = {
  /** Of the only server, or of all where there are several; at 127.0.0.1. */
  upstream: { port: number } & Partial<Upstream> & Partial<UpstreamServer>;
  /** Instead of the only server. */
  servers?: ({ name: string; port: number } & Partial<UpstreamServer>)[];
  health?: Partial<UpstreamHealth>;
  /** How the proxy logs in upstream; the default is one password for all, 'upstream-secret'. */
  login?: LoginMode;
  /** Decides logins; the default takes `john` with `secret`, at once. */
  decide?: (
    credentials: Credentials,
    localAddress: string,
    client: LoginClient,
  ) => Decision | Promise<Decision>;
  /** Answers what SCRAM's client is to salt its password with. */
  salt?: (user: string) => Salting | Promise<Salting>;
  /** Default USER, PLAIN and LOGIN. */
  methods?: PolicySettings['methods'];
  tls?: {
    mode: 'starttls' | 'implicit';
    certificate: TestCertificate;
    clientCa?: string;
    certificateRequired?: boolean;
  };
  plaintext?: boolean;
  /** Over `plaintext`: by the client's address. */
  plaintextFrom?: (clientAddress: string) => boolean;
  proxyProtocol?: ProxyProtocol;
  limits?: Partial<Limits>;
  /** See ProxyServices. */
  collect?: () => void;
  failureDelayMs?: number;
  transport?: Transport;
  /** Where no certificate is read: what the listener gets instead. */
  serverTls?: () => ServerTls;
  resolver?: Pick<Resolver, 'resolve'>;
  /** The mailstore is asked for its capabilities before anybody connects. */
  ask?: boolean;
  /** What logins believe of the age of a connection opened ahead, in milliseconds; else it is as it is. */
  spareAge?: number;
};

/** The proxy room on real sockets, with an authenticator of the test's own. */
export type TestProxy = {
  port: number;
  sessions: SessionSet;
  spares: Spares;
  metrics: Metrics;
  /** The session records logged so far. */
  records(): SessionLine[];
  /** Resolves when so many sessions have been logged. */
  logged(count: number): Promise<SessionLine[]>;
  /** All log lines. */
  lines: string[];
  listener: Listener;
  close(): Promise<void>;
};

export type SessionLine = {
  event: string;
  login: string | null;
  local_user: string | null;
  client: { address: string; port: number };
  local: { address: string; port: number };
  via: { address: string; port: number } | null;
  result: string;
  reason: string;
  end: string;
  command: string | null;
  attempts: number;
  tls: {
    version: string;
    certificate: { name: string | null; fingerprint: string | null; fault: string | null } | null;
  } | null;
  octets: { to_client: number; to_upstream: number };
};

export function accepted(localUser: string, upstreamChecks = false): Decision {
  return { result: 'accepted', account: { localUser, mailbox: '', domain: '', upstreamChecks } };
}

function johnOnly(credentials: Credentials): Decision {
  const { user } = credentials;
  if (user === 'john' && 'password' in credentials && credentials.password === 'secret')
    return accepted('johnacme');
  return { result: 'rejected', reason: 'wrong-password' };
}

const pepper = (): Salting => ({ result: 'salted', salted: { salt: 'pepper', iterations: 4096 } });

export async function startTestProxy(options: TestProxyOptions): Promise<TestProxy> {
  const transport = options.transport ?? (await pickTransport());
  const lines: string[] = [];
  const log = createLog({
    level: 'debug',
    gatherMs: 0,
    write: (text) => void lines.push(...text.trimEnd().split('\n')),
  });
  const metrics = createMetrics({
    listeners: ['test'],
    upstreams: ['mailstore'],
    servers: (options.servers ?? [SERVER]).map(({ name }) => ({ upstream: 'mailstore', server: name })),
    version: '0',
    states: {
      tables: () => ({ ageSeconds: null, domains: null, users: null, usable: true }),
      redisUp: () => null,
      verifier: () => ({ running: 0, memory: 0, waiting: { known: 0, familiar: 0, clean: 0, doubtful: 0 } }),
      logLinesDropped: () => 0,
    },
  });
  const wheel = new DeadlineWheel(10);
  const report = new ServerReport({ log, metrics, wheel });
  const pool = poolOf(options, report);
  const decide = options.decide ?? johnOnly;
  const authenticator: Authenticator = {
    authenticate: (credentials, localAddress, _timings, client) => decide(credentials, localAddress, client!),
    salt: (user) => (options.salt ?? pepper)(user),
  };
  const resolver = options.resolver ?? new Resolver();
  const servers = pool.members.map(({ server }) => server);
  const capabilities = new KnownCapabilities(servers, { transport, wheel, resolver, log });
  if (options.ask === true) await capabilities.ask();
  const spares = new Spares(
    servers,
    { ...{ transport, wheel, resolver, log, metrics }, failing: new Seldom(), lost() {} },
    50,
  );
  spares.open();
  const sessions = new SessionSet({
    transport,
    wheel,
    resolver,
    capabilities,
    spares: aged(spares, options.spareAge),
    authenticator,
    upstreamOf: () => pool,
    failureDelayMs: options.failureDelayMs ?? 0,
    metrics,
    log,
    servers: report,
    keepAlive: null,
    unique: () => randomBytes(16).toString('hex'),
    limits: { ...LIMITS, ...options.limits },
    collect: options.collect ?? (() => {}),
  });
  const listener = await sessions.listen(policy(options, transport), { address: '127.0.0.1', port: 0 });
  const records = () => lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'session');
  return {
    port: listener.port,
    sessions,
    spares,
    metrics,
    records,
    async logged(count) {
      for (let tries = 0; tries < 3_000 && records().length < count; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await log.flush();
      return records();
    },
    lines,
    listener,
    async close() {
      await listener.close();
      await sessions.drain(0);
      capabilities.close();
      spares.close();
      wheel.stop();
    },
  };
}

function aged(spares: Spares, age: number | undefined): Pick<Spares, 'take' | 'stale'> {
  if (age === undefined) return spares;
  return {
    take(server) {
      const spare = spares.take(server);
      return spare === null ? null : { ...spare, age };
    },
    stale: (server, spare) => spares.stale(server, spare),
  };
}

/** The test proxies' greeting is without it. */
export const OWN_WORD = '7e57ab1e';

const SERVER = { name: 'only', weight: 1, host: '127.0.0.1', clientTls: null };

function poolOf(options: TestProxyOptions, report: ServerReport): UpstreamPool {
  const { name: _name, weight: _weight, host, port, clientTls, ...shared } = options.upstream;
  const upstream: Upstream = {
    name: 'mailstore',
    tls: 'off',
    own: OWN_WORD,
    login: options.login ?? { mode: 'secret', password: 'upstream-secret' },
    proxyProtocol: null,
    xclient: false,
    pipelining: 'off',
    preconnect: { count: 0, ageMs: 60_000 },
    timeoutMs: 5_000,
    connectTimeoutMs: 2_000,
    ...shared,
  };
  const only = { ...SERVER, port, ...(host && { host }), ...(clientTls && { clientTls }), upstream };
  const [first = only, ...others] = (options.servers ?? []).map((server) => ({ ...only, ...server }));
  const health = { fall: 3, retryMs: 100, mostRetryMs: 1_000, checkMs: null, ...options.health };
  return new UpstreamPool([first, ...others], health, report);
}

function policy(options: TestProxyOptions, transport: Transport): ListenerPolicy {
  const { tls, plaintext = true } = options;
  const serverTls: ServerTls | null =
    tls === undefined
      ? null
      : transport.serverTls({
          ...SERVER_TLS,
          certificates: [tls.certificate],
          clientCa: tls.clientCa ?? null,
        });
  return {
    name: 'test',
    tls: tls?.mode ?? 'off',
    serverTls: options.serverTls ?? (() => serverTls!),
    certifiedUsers: (peer) => (options.methods?.includes('EXTERNAL') ? peer.names.email : []),
    certificateRequired: tls?.certificateRequired ?? false,
    clearLogins: (address) => ((options.plaintextFrom?.(address) ?? plaintext) ? 'any' : 'none'),
    proxyProtocol: options.proxyProtocol ?? null,
    authorization: authorizationPolicy({
      banner: 'ready',
      capabilities: ['TOP', 'UIDL', 'PIPELINING'],
      implementation: 'test',
      methods: options.methods ?? ['USER', 'PLAIN', 'LOGIN'],
      stls: tls?.mode === 'starttls',
      loginAttempts: 3,
      badCommands: 5,
    }),
  };
}
