import { doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import { serverPath } from './rules-upstreams.ts';
import type { Config, UpstreamConfig } from './schema.ts';
import { isLoopback } from './units.ts';

/** Where passwords come from and which way they go. */
export function credentialRules(config: Config): Finding[] {
  return [...config.upstreams.flatMap(upstreamRules), ...rowRules(config)];
}

/** What a row holds is there for the mailstore only where it was not hashed. */
function rowRules({ upstreams, tables, passwords }: Config): Finding[] {
  const index = upstreams.findIndex(({ login }) => login.mode === 'row');
  if (index < 0 || tables.source !== 'redis' || passwords.sealKeyFile !== null) return [];
  const hint = 'give passwords.seal_key_file, the path of a key made by `head -c 32 /dev/urandom`';
  const restsOn: Path[] = [
    ['passwords', 'seal_key_file'],
    ['tables', 'source'],
  ];
  return [wrong(['upstreams', index, 'login'], "the rows' passwords need a key", hint, restsOn)];
}

function upstreamRules(upstream: UpstreamConfig, index: number): Finding[] {
  const path: Path = ['upstreams', index];
  const { login } = upstream;
  const ownPassword = login.mode !== 'passthrough' && login.mode !== 'row';
  const findings = ownPassword ? sourceRules(login, path, true) : [];
  if (upstream.xclient && upstream.proxyProtocol !== 'off') {
    const hint =
      'keep one: behind a PROXY header the mailstore takes the client for the one that offers XCLIENT';
    findings.push(
      wrong([...path, 'xclient'], 'not used with proxy_protocol', hint, [[...path, 'proxy_protocol']]),
    );
  }
  if (upstream.preconnect > 0 && upstream.proxyProtocol !== 'off') {
    const hint = 'keep one: a PROXY header tells the client, who is not there yet; xclient does so later';
    findings.push(
      wrong([...path, 'preconnect'], 'not used with proxy_protocol', hint, [[...path, 'proxy_protocol']]),
    );
  }
  const far = upstream.servers.findIndex(({ host }) => !isLoopback(host));
  if (upstream.tls === 'off' && far >= 0) {
    const hint = 'write tls: starttls or implicit, unless the network between is your own';
    const restsOn = [serverPath(upstream, index, far, 'host')];
    findings.push(doubtful([...path, 'tls'], 'passwords and mail go to this host in plain', hint, restsOn));
  }
  if (upstream.tls !== 'off' && !upstream.verify) {
    const hint = 'give ca_file the authority that signed its certificate, and verify';
    findings.push(
      doubtful([...path, 'verify'], 'anybody on the way can pose as the mailstore', hint, [[...path, 'tls']]),
    );
  }
  return findings;
}

type Password = { passwordFile: string | null; passwordEnv: string | null };

/** @param path of the section, or of the upstream whose login it is */
export function sourceRules(login: Password & { mode?: string }, path: Path, needed: boolean): Finding[] {
  const section = login.mode === undefined ? path : [...path, 'login', login.mode];
  const places: Path[] = [section];
  if (login.passwordFile !== null && login.passwordEnv !== null) {
    return [
      wrong(
        [...section, 'password_env'],
        'a second source of the password',
        'keep password_file or password_env',
        places,
      ),
    ];
  }
  if (!needed || login.passwordFile !== null || login.passwordEnv !== null) return [];
  const hint = 'write password_file with the path of a file, or password_env with the name of a variable';
  return [{ ...wrong(section, 'no password is given', hint, places), at: 'key', quote: 'no' }];
}
