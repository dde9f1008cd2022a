import { readFileSync, statSync } from 'node:fs';
import { doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';
import { systemReason } from './system.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A POP3 command line has 255 octets (RFC 2449 §4); Redis takes more. */
const LONGEST_SECRET = 4096;

/** Keeps a secret out of logs, errors and dumps: it shows itself to `reveal` alone. */
export class Secret {
  readonly #octets: string;

  /** @param octets octet string */
  constructor(octets: string) {
    this.#octets = octets;
  }

  /** The octet string. For the call that sends it, never for a variable that lives on. */
  reveal(): string {
    return this.#octets;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

export type Secrets = {
  redis: Secret | null;
  /** By the upstream's name; those with `login: passthrough` have none. */
  upstreams: ReadonlyMap<string, Secret>;
};

/** Reads the secrets that the config names. One that cannot be had is an error at the setting that names it. */
export function loadSecrets(
  config: Config,
  environment: Environment,
): { secrets: Secrets; findings: Finding[] } {
  const findings: Finding[] = [];
  const upstreams = new Map<string, Secret>();
  for (const [index, { name, login }] of config.upstreams.entries()) {
    if (login.mode === 'passthrough') continue;
    const secret = readSecret(login, ['upstreams', index, 'login', login.mode], environment, findings);
    if (secret !== null) upstreams.set(name, secret);
  }
  const redis = readSecret(config.redis, ['redis'], environment, findings);
  return { secrets: { redis, upstreams }, findings };
}

type Named = { passwordFile: string | null; passwordEnv: string | null };

function readSecret(
  from: Named,
  section: Path,
  environment: Environment,
  findings: Finding[],
): Secret | null {
  if (from.passwordFile !== null) return fromFile(from.passwordFile, [...section, 'password_file'], findings);
  if (from.passwordEnv !== null)
    return fromVariable(from.passwordEnv, [...section, 'password_env'], environment, findings);
  return null;
}

function fromFile(file: string, path: Path, findings: Finding[]): Secret | null {
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
    if (size > LONGEST_SECRET)
      return [wrong(path, `${file} has more than ${LONGEST_SECRET} octets`, 'is this the right file?')];
    const open = (mode & 0o007) !== 0;
    return open ? [doubtful(path, `everybody on this host can get at ${file}`, `chmod o= ${file}`)] : [];
  } catch (error) {
    return [unreadable(file, path, error)];
  }
}

function metadata(file: string): { mode: number; size: number; isFile: boolean } {
  const stats = statSync(file);
  return { mode: stats.mode, size: stats.size, isFile: stats.isFile() };
}

function unreadable(file: string, path: Path, error: unknown): Finding {
  const hint = 'the user that the proxy runs as must be able to read it';
  return wrong(path, `${file} cannot be read: ${systemReason(error)}`, hint);
}

function fromVariable(
  name: string,
  path: Path,
  environment: Environment,
  findings: Finding[],
): Secret | null {
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
function usable(octets: string, holder: string, path: Path, findings: Finding[]): Secret | null {
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
  return new Secret(octets);
}
