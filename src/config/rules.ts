import { wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import { credentialRules } from './rules-credentials.ts';
import { listenerRules } from './rules-listeners.ts';
import { masterRules } from './rules-masters.ts';
import { mechanismRules } from './rules-mechanisms.ts';
import { argon2Rules, cacheRules } from './rules-passwords.ts';
import { redisRules } from './rules-redis.ts';
import { upstreamRules } from './rules-upstreams.ts';
import type { Config } from './schema.ts';
import { nearest } from './suggestions.ts';
import { workerRules } from './workers.ts';

/** What no single setting can tell: each rule's finding names the settings that it rests on. */
export function crossChecks(config: Config): Finding[] {
  return [
    ...listenerRules(config),
    ...upstreamRules(config),
    ...domainRules(config),
    ...mechanismRules(config),
    ...masterRules(config),
    ...credentialRules(config),
    ...redisRules(config),
    ...timeRules(config),
    ...argon2Rules(config),
    ...cacheRules(config),
    ...workerRules(config),
  ];
}

function domainRules({ tables, upstreams }: Config): Finding[] {
  const names = upstreams.map((upstream) => upstream.name);
  const findings: Finding[] = [];
  for (const { name, upstream } of tables.domains.values()) {
    const path = ['tables', 'domains', name];
    if (upstream !== null && !names.includes(upstream)) {
      const meant = nearest(upstream, names);
      const hint = meant === null ? `upstreams has ${names.join(', ')}` : `did you mean ${meant}?`;
      const restsOn = names.map((_name, index): Path => ['upstreams', index, 'name']);
      findings.push(wrong([...path, 'upstream'], 'no upstream has this name', hint, restsOn));
    }
  }
  return findings;
}

function timeRules({ limits }: Config): Finding[] {
  const findings: Finding[] = [];
  const total: Path = ['limits', 'login_time'];
  if (limits.lineTime > limits.loginTime) {
    const hint = 'one line cannot take longer than all of the login: lower it, or raise limits.login_time';
    findings.push(wrong(['limits', 'line_time'], 'longer than limits.login_time', hint, [total]));
  }
  if (limits.failureDelay >= limits.loginTime) {
    const hint = 'nobody would hear of a failed login: lower it, or raise limits.login_time';
    findings.push(wrong(['limits', 'failure_delay'], 'as long as limits.login_time', hint, [total]));
  }
  return findings;
}
