import { doubled, doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import { credentialRules } from './rules-credentials.ts';
import { listenerRules } from './rules-listeners.ts';
import type { Config } from './schema.ts';
import { nearest } from './suggestions.ts';

/** What no single setting can tell: each rule's finding names the settings that it rests on. */
export function crossChecks(config: Config): Finding[] {
  return [
    ...listenerRules(config),
    ...upstreamNames(config),
    ...domainRules(config),
    ...credentialRules(config),
    ...timeRules(config),
    ...argon2Rules(config),
  ];
}

function upstreamNames({ upstreams }: Config): Finding[] {
  const names = upstreams.map((upstream) => upstream.name);
  return doubled(names, 'upstreams');
}

function domainRules({ tables, upstreams, passwords }: Config): Finding[] {
  const names = upstreams.map((upstream) => upstream.name);
  const findings: Finding[] = [];
  for (const [domain, { name, upstream, apop }] of tables.domains) {
    const path = ['tables', 'domains', name];
    if (upstream !== null && !names.includes(upstream)) {
      const meant = nearest(upstream, names);
      const hint = meant === null ? `upstreams has ${names.join(', ')}` : `did you mean ${meant}?`;
      const restsOn = names.map((_name, index): Path => ['upstreams', index, 'name']);
      findings.push(wrong([...path, 'upstream'], 'no upstream has this name', hint, restsOn));
    }
    if (apop && passwords.sealKeyFile === null) {
      const hint = 'give passwords.seal_key_file, the path of a key made by `head -c 32 /dev/urandom`';
      findings.push(
        wrong([...path, 'apop'], `APOP for ${domain} needs a key`, hint, [['passwords', 'seal_key_file']]),
      );
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

/** RFC 9106 §3.1: at least 8 KiB for each lane. */
const LEAST_OCTETS_PER_LANE = 8 * 1024;
/** The lowest memory of OWASP's list of equals (7 MiB with five passes). */
const LEAST_SAFE_MEMORY = 7 * 1024 * 1024;

function argon2Rules({ passwords }: Config): Finding[] {
  const { memory, parallelism } = passwords.argon2;
  const path = ['passwords', 'argon2', 'memory'];
  if (memory < LEAST_OCTETS_PER_LANE * parallelism) {
    const hint = `${parallelism} lanes take ${8 * parallelism}KiB at least`;
    return [
      wrong(path, 'too little for passwords.argon2.parallelism', hint, [
        ['passwords', 'argon2', 'parallelism'],
      ]),
    ];
  }
  if (memory >= LEAST_SAFE_MEMORY) return [];
  return [
    doubtful(
      path,
      'little memory makes stolen hashes cheap to guess',
      'the default is 19MiB, the least to take 7MiB',
    ),
  ];
}
