import { readFileSync, statSync } from 'node:fs';
import { doubtful, withoutQuote, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';
import { unreadable } from './system.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** More than a password or a key with its chain ever has: another file, given by mistake. */
const LARGEST_SECRET_FILE = 64 * 1024;

/**
 * The passwords that the proxy itself logs in with, octet strings. They are private fields: neither a dump nor
 * JSON nor string conversion shows them, only the calls below, made where a password is about to be sent.
 */
export class Secrets {
  readonly #redis: string | null;
  readonly #upstreams: ReadonlyMap<string, string>;
  readonly #sentinel: string | null;

  constructor(redis: string | null, upstreams: ReadonlyMap<string, string>, sentinel: string | null = null) {
    this.#redis = redis;
    this.#upstreams = upstreams;
    this.#sentinel = sentinel;
  }

  /** For Redis; null where it asks for none. */
  redis(): string | null {
    return this.#redis;
  }

  /** For the Sentinels; null where they ask for none. */
  sentinel(): string | null {
    return this.#sentinel;
  }

  /** For an upstream's login. Throws for one with `login: passthrough` or `row`, which has none. */
  upstream(name: string): string {
    const password = this.#upstreams.get(name);
    if (password === undefined) throw new Error(`upstream ${name} has no password`);
    return password;
  }
}

/** Reads the secrets that the config names. One that cannot be had is an error at the setting that names it. */
export function loadSecrets(
  config: Config,
  environment: Environment,
): { secrets: Secrets; findings: Finding[] } {
  const findings: Finding[] = [];
  const upstreams = new Map<string, string>();
  for (const [index, { name, login }] of config.upstreams.entries()) {
    if (login.mode === 'passthrough' || login.mode === 'row') continue;
    const secret = readSecret(login, ['upstreams', index, 'login', login.mode], environment, findings);
    if (secret !== null) upstreams.set(name, secret);
  }
  const redis = readSecret(config.redis, ['redis'], environment, findings);
  const { sentinelPasswordFile: passwordFile, sentinelPasswordEnv: passwordEnv } = config.redis;
  const sentinel = readSecret({ passwordFile, passwordEnv }, ['redis'], environment, findings, 'sentinel_');
  return { secrets: new Secrets(redis, upstreams, sentinel), findings: findings.map(withoutQuote) };
}

type Named = { passwordFile: string | null; passwordEnv: string | null };

/** @param whose goes before the settings' names, in a section that has two secrets */
function readSecret(
  from: Named,
  section: Path,
  environment: Environment,
  findings: Finding[],
  whose = '',
): string | null {
  const at = (key: string): Path => [...section, whose + key];
  if (from.passwordFile !== null) return fromFile(from.passwordFile, at('password_file'), findings);
  if (from.passwordEnv !== null)
    return fromVariable(from.passwordEnv, at('password_env'), environment, findings);
  return null;
}

function fromFile(file: string, path: Path, findings: Finding[]): string | null {
  const found = secretFileFindings(file, path);
  findings.push(...found);
  if (found.some((finding) => finding.severity === 'error')) return null;
  try {
    const octets = readFileSync(file).toString('latin1');
    return usable(octets.replace(/\r?\n$/, ''), file, path, findings);
  } catch (error) {
    findings.push(unreadable(file, path, error));
    return null;
  }
}

/** What can be said of a file that holds a secret without reading it. */
export function secretFileFindings(file: string, path: Path): Finding[] {
  try {
    const { mode, size, isFile } = metadata(file);
    if (!isFile)
      return [wrong(path, `${file} is no regular file`, 'give the path of the file that holds the secret')];
    if (size > LARGEST_SECRET_FILE)
      return [wrong(path, `${file} has more than ${LARGEST_SECRET_FILE} octets`, 'is this the right file?')];
    const open = (mode & 0o006) !== 0;
    return open ? [doubtful(path, `everybody on this host can get at ${file}`, `chmod o= ${file}`)] : [];
  } catch (error) {
    return [unreadable(file, path, error)];
  }
}

function metadata(file: string): { mode: number; size: number; isFile: boolean } {
  const stats = statSync(file);
  return { mode: stats.mode, size: stats.size, isFile: stats.isFile() };
}

function fromVariable(
  name: string,
  path: Path,
  environment: Environment,
  findings: Finding[],
): string | null {
  const value = environment[name];
  if (value === undefined) {
    findings.push(
      wrong(path, 'the variable named here is not set', 'set it for the service, or write password_file'),
    );
    return null;
  }
  return usable(Buffer.from(value, 'utf8').toString('latin1'), 'the variable', path, findings);
}

/** A control character would end the line that carries the secret upstream, and begin a second command. */
function usable(octets: string, holder: string, path: Path, findings: Finding[]): string | null {
  if (octets === '') {
    findings.push(wrong(path, `${holder} is empty`, 'it holds the secret and nothing else'));
    return null;
  }
  if (/[\x00\n\r]/.test(octets)) {
    findings.push(
      wrong(
        path,
        `${holder} holds a line break or NUL inside`,
        'one line, with at most one newline behind it',
      ),
    );
    return null;
  }
  return octets;
}
