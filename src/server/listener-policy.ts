import { methodsOf } from '../config/mechanisms.ts';
import type { Config, ListenerConfig } from '../config/schema.ts';
import { type AuthorizationPolicy, authorizationPolicy } from '../pop3/capability.ts';
import type { ProxyProtocol } from '../proxy/introduction.ts';
import type { ListenerPolicy } from '../proxy/listener.ts';
import type { ListenerCertificates } from './certificates.ts';
import { networkTest } from './networks.ts';

/** Announced before the login, so they must hold after it: every mailstore in use has them. */
const CAPABILITIES = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING'];

export function listenerPolicy(
  listener: ListenerConfig,
  config: Config,
  certificates: ListenerCertificates,
): ListenerPolicy {
  return {
    name: listener.name,
    tls: listener.tls,
    serverTls: () => certificates.of(listener.name),
    clearLogins: clearRule(listener),
    proxyProtocol: proxyProtocol(listener),
    authorization: authorization(listener, config),
  };
}

function proxyProtocol({ proxyProtocol: config }: ListenerConfig): ProxyProtocol | null {
  return config && { trusts: networkTest(config.from), timeoutMs: config.timeout };
}

function authorization(listener: ListenerConfig, { limits, tables }: Config): AuthorizationPolicy {
  return authorizationPolicy({
    banner: 'POP3 ready',
    capabilities: CAPABILITIES,
    implementation: 'teapop-proxy',
    methods: methodsOf(listener.mechanisms, tables),
    stls: listener.tls === 'starttls',
    loginAttempts: limits.loginAttempts,
    badCommands: limits.badCommands,
  });
}

function clearRule({ plaintextAuth, digestAuth }: ListenerConfig): ListenerPolicy['clearLogins'] {
  const [any, digests] = [clients(plaintextAuth), clients(digestAuth)];
  return (address) => (any(address) ? 'any' : digests(address) ? 'digests' : 'none');
}

function clients(rule: ListenerConfig['plaintextAuth']): (address: string) => boolean {
  if (rule === 'always') return () => true;
  return rule === 'never' ? () => false : networkTest(rule);
}
