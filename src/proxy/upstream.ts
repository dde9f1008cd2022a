import type { UpstreamPlan } from '../pop3/upstream-login.ts';
import type { ClientTls } from '../transport/transport.ts';

/** How the proxy logs in at a mailstore. Names and passwords are octet strings. */
export type LoginMode =
  /** USER and PASS with the client's own password. */
  | { mode: 'passthrough' }
  /** USER and PASS with the password that the user's row holds; the client's own where that is a hash. */
  | { mode: 'row' }
  /** Dovecot's master user: `localUser<separator>user` with the master's password. */
  | { mode: 'master'; user: string; password: string; separator: string }
  /** SASL PLAIN: authzid is the local user, authcid the master. */
  | { mode: 'plain'; user: string; password: string }
  /** USER and PASS with one password for all. */
  | { mode: 'secret'; password: string };

/** A mailstore as configured, its secrets in hand: what is the same at all of its servers. */
export type Upstream = {
  name: string;
  tls: 'off' | 'starttls' | 'implicit';
  login: LoginMode;
  /** A word of the proxy's own greeting: a server that greets with it is the proxy. */
  own: string;
  /** The version of the PROXY header that every connection begins with, before TLS too; null for none. */
  proxyProtocol: 'v1' | 'v2' | null;
  /** Whether the mailstore is told of the client by XCLIENT, where it offers that. */
  xclient: boolean;
  /** Whether all lines of a login go at once; auto: where the mailstore announces that it takes them so. */
  pipelining: 'auto' | 'on' | 'off';
  /** Connections opened ahead to each server, and how old each may become before it is closed. */
  preconnect: { count: number; ageMs: number };
  /** One deadline over resolving, connect, TLS, greeting and login, at however many servers. */
  timeoutMs: number;
  /** For one server up to its greeting, where there is another one. */
  connectTimeoutMs: number;
};

/** One of its servers. */
export type UpstreamServer = {
  upstream: Upstream;
  /** Names it in the log and the metrics, and binds its users to it. */
  name: string;
  weight: number;
  host: string;
  port: number;
  /** Null without TLS. */
  clientTls: ClientTls | null;
};

/**
 * What to say to the mailstore for this login; null where it is to have the client's own password, and that is unknown.
 * @param rowPassword null where the row has a hash, or nobody has asked for it
 * @param clientPassword null where the client has shown that it knows it without telling
 * @param upstreamChecks the table leaves the password to the mailstore: then it is always the client's own that
 *   is sent, whatever the upstream's mode; a master's would let anybody in
 */
export function loginPlan(
  upstream: Upstream,
  localUser: string,
  clientPassword: string | null,
  rowPassword: string | null,
  upstreamChecks: boolean,
): UpstreamPlan | null {
  const { login } = upstream;
  if (upstreamChecks) return byPassword(upstream, localUser, clientPassword);
  switch (login.mode) {
    case 'passthrough':
      return byPassword(upstream, localUser, clientPassword);
    case 'row':
      return byPassword(upstream, localUser, rowPassword ?? clientPassword);
    case 'master':
      return byPassword(upstream, localUser + login.separator + login.user, login.password);
    case 'secret':
      return byPassword(upstream, localUser, login.password);
    case 'plain': {
      const { user: authcid, password } = login;
      return planOf(upstream, { kind: 'plain', authzid: localUser, authcid, password });
    }
  }
}

function byPassword(upstream: Upstream, user: string, password: string | null): UpstreamPlan | null {
  return password === null ? null : planOf(upstream, { kind: 'userpass', user, password });
}

function planOf({ tls, own }: Upstream, login: UpstreamPlan['login']): UpstreamPlan {
  return { tls, own, login };
}

/** Dovecot's own choice; what a mailstore with master users takes for one unless it is told otherwise. */
const USUAL_SEPARATOR = '*';

/**
 * Whether the mailstore could read a master user in this name: with `victim*master` for a userid, whoever knows or
 * guesses the master's password would be let in as anybody.
 */
export function couldNameMaster({ login }: Upstream, localUser: string): boolean {
  return localUser.includes(login.mode === 'master' ? login.separator : USUAL_SEPARATOR);
}
