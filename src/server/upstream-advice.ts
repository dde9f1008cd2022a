import { doubtful, wrong } from '../config/finding.ts';
import type { Finding } from '../config/problem.ts';
import { serverPath } from '../config/rules-upstreams.ts';
import type { UpstreamConfig } from '../config/schema.ts';
import { printableText } from '../ops/printable.ts';
import { takesMechanism, takesPipelining, takesUser } from '../pop3/upstream-capability.ts';
import type { OpenFailure } from '../proxy/dialogue.ts';

/** What one server of a mailstore made of a visit. */
export type ServerAnswer =
  /** `capabilities`: its lines; null where it has no CAPA. */
  | { ok: true; offersXclient: boolean; capabilities: readonly string[] | null }
  | { ok: false; failure: OpenFailure; detail: string };

/** What an operator has to know of an answer: a failure as an error, what will not work as it is set as warnings. */
export function judgeAnswer(
  upstream: UpstreamConfig,
  index: number,
  nth: number,
  answer: ServerAnswer,
): Finding[] {
  if (!answer.ok) {
    // A certificate's names are among it.
    const message = `${answer.failure}: ${printableText(answer.detail)}`;
    const hint = `${cureOf(answer.failure)} (docs/failures.md)`;
    return [{ ...wrong(serverPath(upstream, index, nth, 'host'), message, hint), quote: 'no' }];
  }
  const warn = (key: string, message: string, hint: string): Finding => {
    const found = `${upstream.servers[nth]!.name} ${message}`;
    return { ...doubtful(['upstreams', index, key], found, hint), quote: 'no' };
  };
  return [
    ...addressAdvice(upstream, answer.offersXclient, warn),
    ...loginAdvice(upstream, answer.capabilities, warn),
    ...pipeliningAdvice(upstream, answer.capabilities, warn),
  ];
}

type Warn = (key: string, message: string, hint: string) => Finding;

const ADDRESS_PAGE = "docs/mailstore.md, The client's address";

/** A mailstore that takes all users for one client delays and counts them as one. */
function addressAdvice({ xclient, proxyProtocol }: UpstreamConfig, offered: boolean, warn: Warn): Finding[] {
  if (xclient && !offered) {
    const message =
      "does not offer [XCLIENT] to this host in its greeting, and would see all users come from the proxy's address";
    const hint = `Dovecot offers it to whom login_trusted_networks names: add the proxy's address (${ADDRESS_PAGE})`;
    return [warn('xclient', message, hint)];
  }
  if (xclient || proxyProtocol !== 'off') return [];
  const message =
    "would see all users come from the proxy's one address: its delays after wrong passwords and its limits by address hit everybody";
  const cure = offered
    ? 'write xclient: true, which it offers to this host'
    : "write xclient: true and name the proxy's address in Dovecot's login_trusted_networks, or use proxy_protocol";
  const otherwise = 'else switch off its auth_penalty and mail_max_userip_connections';
  return [warn('xclient', message, `${cure}; ${otherwise} (${ADDRESS_PAGE})`)];
}

function loginAdvice(
  { login }: UpstreamConfig,
  capabilities: readonly string[] | null,
  warn: Warn,
): Finding[] {
  const inPlain = 'let it take passwords here (Dovecot: disable_plaintext_auth), or write tls: starttls';
  if (login.mode === 'plain') {
    if (takesMechanism(capabilities, 'PLAIN')) return [];
    const hint = `${inPlain}, add PLAIN to its auth_mechanisms, or use login: master (docs/mailstore.md, Dovecot)`;
    return [warn('login', 'announces no SASL PLAIN, by which the proxy is to log in', hint)];
  }
  if (takesUser(capabilities)) return [];
  const hint = `${inPlain} (docs/mailstore.md, Dovecot)`;
  return [warn('login', 'announces no USER, by which the proxy is to log in', hint)];
}

function pipeliningAdvice(
  { pipelining }: UpstreamConfig,
  capabilities: readonly string[] | null,
  warn: Warn,
): Finding[] {
  if (pipelining !== 'on' || takesPipelining(capabilities)) return [];
  const hint = 'write pipelining: auto, unless you know better (docs/mailstore.md, Round trips)';
  return [warn('pipelining', 'announces no PIPELINING, and may lose what comes behind USER', hint)];
}

/** What mends a visit that came to nothing. */
function cureOf(failure: OpenFailure): string {
  switch (failure) {
    case 'not-resolved':
      return 'give a name that this host can resolve, or an IP address';
    case 'connect-refused':
      return 'nothing listens there: start the mailstore, or mend host and port';
    case 'connect-failed':
    case 'connect-timeout':
      return 'no connection comes about: see to host, port, routes and firewalls';
    case 'login-timeout':
      return 'it took the connection and did not speak in time: is its port one for tls: implicit? does it wait for a PROXY header (proxy_protocol)?';
    case 'tls-failed':
      return 'does its port take TLS at once (tls: implicit) or after STLS (tls: starttls)? it must know TLS 1.2';
    case 'certificate-invalid':
      return 'name its authority by ca_file, the name in its certificate by server_name, or renew the certificate';
    case 'stls-refused':
      return 'let the mailstore offer STLS, or write tls: implicit with its TLS port';
    case 'own-greeting':
      return 'the connection leads back to the proxy: give the host and port of the mailstore';
    case 'greeting-refused':
      return "it lets this host not in: see the mailstore's log";
    case 'greeting-invalid':
      return 'is that its POP3 port?';
    case 'closed':
      return "see the mailstore's log: it may not want the PROXY header (proxy_protocol), or this host";
    case 'octets-before-tls':
    case 'octets-after-greeting':
    case 'octets-out-of-turn':
    case 'reply-too-long':
    case 'reply-invalid':
    case 'unexpected-continuation':
      return 'it does not speak POP3 as it should: is that its POP3 port?';
    // Of a login, which there is none of in a visit.
    case 'user-refused':
    case 'login-refused':
    case 'login-auth-refused':
    case 'in-use':
    case 'login-delay':
    case 'sys-temp':
    case 'sys-perm':
    case 'cannot-express':
      return "see the mailstore's log";
  }
}
