import { doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import { sourceRules } from './rules-credentials.ts';
import type { Config } from './schema.ts';
import { isLoopback } from './units.ts';

type Redis = Config['redis'];

const at = (...keys: (string | number)[]): Path => ['redis', ...keys];

/** One server, Sentinels or a Cluster, and what goes with each. */
export function redisRules(config: Config): Finding[] {
  const { redis } = config;
  return [
    ...sourceRules(redis, at(), false),
    ...(redis.cluster === null ? [] : clusterRules(redis)),
    ...(redis.sentinels === null ? withoutSentinels(redis) : sentinelRules(redis)),
    ...plainRules(config),
    ...verifyRules(redis),
  ];
}

function clusterRules(redis: Redis): Finding[] {
  const findings = besides(redis, 'cluster');
  if (redis.sentinels !== null) {
    const hint = 'a Cluster watches itself: keep cluster or sentinels';
    findings.push(wrong(at('sentinels'), 'both Sentinels and a Cluster', hint, [at('cluster')]));
  }
  if (redis.database !== 0) {
    const hint = 'leave it out, and tell sites apart by redis.prefix';
    findings.push(wrong(at('database'), 'a Cluster has database 0 alone', hint, [at('cluster')]));
  }
  return findings;
}

function sentinelRules(redis: Redis): Finding[] {
  const findings = redis.cluster === null ? besides(redis, 'sentinels') : [];
  if (redis.master === null) {
    const hint = 'write master with the name that the Sentinels have: sentinel monitor NAME …';
    const finding = wrong(at('sentinels'), 'no master is named', hint, [at('master')]);
    findings.push({ ...finding, at: 'key', quote: 'no' });
  }
  if (redis.sentinelPasswordFile !== null && redis.sentinelPasswordEnv !== null) {
    const hint = 'keep sentinel_password_file or sentinel_password_env';
    const restsOn = [at('sentinel_password_file')];
    findings.push(
      wrong(at('sentinel_password_env'), "a second source of the Sentinels' password", hint, restsOn),
    );
  }
  return findings;
}

/** What is for Sentinels, where there are none. */
function withoutSentinels(redis: Redis): Finding[] {
  const given: [key: string, value: string | null][] = [
    ['master', redis.master],
    ['sentinel_username', redis.sentinelUsername],
    ['sentinel_password_file', redis.sentinelPasswordFile],
    ['sentinel_password_env', redis.sentinelPasswordEnv],
  ];
  const hint = 'list the Sentinels under redis.sentinels, or leave it out';
  return given.flatMap(([key, value]) =>
    value === null ? [] : [wrong(at(key), 'there are no Sentinels', hint, [at('sentinels')])],
  );
}

/** A host and port that would not be asked. */
function besides(redis: Redis, list: 'sentinels' | 'cluster'): Finding[] {
  const hint = `leave it out: the servers are those under redis.${list}`;
  const findings: Finding[] = [];
  if (redis.host !== STANDARD.host)
    findings.push(wrong(at('host'), `not used with redis.${list}`, hint, [at(list)]));
  if (redis.port !== STANDARD.port)
    findings.push(wrong(at('port'), `not used with redis.${list}`, hint, [at(list)]));
  return findings;
}

/** The schema's defaults: whoever writes them out beside a list means nothing else. */
const STANDARD = { host: '127.0.0.1', port: 6379 };

function plainRules({ redis, tables }: Config): Finding[] {
  if (tables.source !== 'redis' || redis.tls !== null) return [];
  const { cluster, sentinels } = redis;
  const hint = 'write tls: true, unless the network between is your own';
  const warning = (path: Path, message: string) => doubtful(path, message, hint, [at('tls')]);
  const far = (list: readonly { host: string }[]) => list.findIndex(({ host }) => !isLoopback(host));
  if (cluster !== null) {
    const index = far(cluster);
    return index < 0
      ? []
      : [warning(at('cluster', index, 'host'), 'the tables come from this host in plain')];
  }
  if (sentinels !== null) {
    const index = far(sentinels);
    const message = 'who has the tables is told by this host in plain, and they come in plain';
    return index < 0 ? [] : [warning(at('sentinels', index, 'host'), message)];
  }
  return isLoopback(redis.host) ? [] : [warning(at('host'), 'the tables come from this host in plain')];
}

function verifyRules({ tls }: Redis): Finding[] {
  if (tls === null || tls.verify) return [];
  const hint = 'give ca_file the authority that signed its certificate, and verify';
  return [doubtful(at('tls', 'verify'), 'anybody on the way can pose as Redis', hint)];
}
