import { methodsOf } from '../config/mechanisms.ts';
import type { Config, ListenerConfig } from '../config/schema.ts';
import { type AuthorizationPolicy, authorizationPolicy } from '../pop3/capability.ts';
import { fitsInLine } from '../pop3/line.ts';
import type { ProxyProtocol } from '../proxy/introduction.ts';
import type { ListenerPolicy } from '../proxy/listener.ts';
import type { ListenerCertificates } from './certificates.ts';
import { networkTest } from './networks.ts';

/**
 * @param known what all mailstores announce, as far as they have said; the same array until it changes
 * @param own a word for the greeting by which the proxy knows it again
 */
export function listenerPolicy(
  listener: ListenerConfig,
  config: Config,
  certificates: ListenerCertificates,
  known: () => readonly string[],
  own: string,
): ListenerPolicy {
  const announced = authorization(listener, config, known, own);
  return {
    name: listener.name,
    tls: listener.tls,
    serverTls: () => certificates.of(listener.name),
    certificateRequired: listener.clientCertificates?.require ?? false,
    certifiedUsers: usersRule(listener.clientCertificates?.identity ?? null),
    clearLogins: clearRule(listener),
    proxyProtocol: proxyProtocol(listener),
    /** Asked by each session as it begins. */
    get authorization() {
      return announced();
    },
  };
}

function proxyProtocol({ proxyProtocol: config }: ListenerConfig): ProxyProtocol | null {
  return config && { trusts: networkTest(config.from), timeoutMs: config.timeout };
}

/** @returns what is announced now; made anew when the mailstores' answers have changed it */
function authorization(
  listener: ListenerConfig,
  config: Config,
  known: () => readonly string[],
  own: string,
): () => AuthorizationPolicy {
  const { capabilities } = listener;
  const lines = capabilities === 'auto' ? known : () => capabilities;
  let policy = policyOf(listener, config, lines(), own);
  return () => {
    if (policy.settings.capabilities !== lines()) policy = policyOf(listener, config, lines(), own);
    return policy;
  };
}

function policyOf(
  listener: ListenerConfig,
  { limits, tables }: Config,
  capabilities: readonly string[],
  own: string,
): AuthorizationPolicy {
  return authorizationPolicy({
    banner: `POP3 ready ${own}`,
    capabilities,
    implementation: 'teapop-proxy',
    methods: methodsOf(listener, tables),
    stls: listener.tls === 'starttls',
    loginAttempts: limits.loginAttempts,
    badCommands: limits.badCommands,
  });
}

function clearRule({ plaintextAuth, digestAuth }: ListenerConfig): ListenerPolicy['clearLogins'] {
  const [any, digests] = [clients(plaintextAuth), clients(digestAuth)];
  return (address) => (any(address) ? 'any' : digests(address) ? 'digests' : 'none');
}

/** What could be no line of POP3 is nobody's login name. */
function usersRule(identity: 'email' | 'common_name' | null): ListenerPolicy['certifiedUsers'] {
  if (identity === null) return () => [];
  return ({ names, commonName }) => {
    const found = identity === 'email' ? names.email : [commonName ?? ''];
    return found.filter((name) => name !== '' && fitsInLine(name));
  };
}

function clients(rule: ListenerConfig['plaintextAuth']): (address: string) => boolean {
  if (rule === 'always') return () => true;
  return rule === 'never' ? () => false : networkTest(rule);
}
