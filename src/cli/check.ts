import { fileFindings } from '../config/files.ts';
import { configFile, type Failure, type ParsedConfig, readConfig, report } from '../config/load.ts';
import { formatError } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { loadSecrets } from '../config/secrets.ts';
import { ownUpstreams } from '../server/own-upstream.ts';
import { visitUpstreams } from '../server/upstream-visits.ts';
import { pickTransport } from '../transport/pick.ts';
import { CONFIG_OPTION, readArguments } from './arguments.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy check [--config FILE] [--upstreams]

Reads the config, the secrets, certificates and keys that it names, and reports all that is wrong with them.
Asks the DNS whether an upstream is this very proxy.
--upstreams: where nothing is wrong with that, goes to each upstream's servers, too, TLS included, without a login.
The file is that of --config, or of TEAPOP_PROXY_CONFIG, or /etc/teapop-proxy/teapop-proxy.yaml.
Exit status: 0 good (warnings included), 1 errors, 2 wrong usage.
`;

/** The command `check`. */
export async function check(argv: string[], io: CommandIo): Promise<number> {
  const options = { ...CONFIG_OPTION, upstreams: { type: 'boolean', default: false } } as const;
  const values = readArguments(argv, options, USAGE, io);
  if (typeof values === 'number') return values;
  return checkFile(configFile(values.config, io.env), values.upstreams, io);
}

async function checkFile(file: string, visiting: boolean, io: CommandIo): Promise<number> {
  const parsed = readConfig(file);
  const { errors, warnings } = 'errors' in parsed ? parsed : await checkNamed(parsed, visiting, io);
  for (const problem of [...errors, ...warnings]) io.err(`${formatError(problem)}\n`);
  if ('errors' in parsed || errors.length > 0) {
    io.err(`${file}: ${count(errors, 'error')}, ${count(warnings, 'warning')}\n`);
    return EXIT.failed;
  }
  io.out(`${file} is good: ${summary(parsed.config)}, ${count(warnings, 'warning')}\n`);
  return EXIT.ok;
}

/** The files and hosts that it names; visited when the rest is good. */
async function checkNamed(parsed: ParsedConfig, visiting: boolean, io: CommandIo): Promise<Failure> {
  const { config, source, warnings } = parsed;
  const { secrets, findings } = loadSecrets(config, io.env);
  const loops = await ownUpstreams(config);
  const all = [...findings, ...fileFindings(config, Date.now()), ...loops];
  if (visiting && !all.some(({ severity }) => severity === 'error')) {
    const visits = await visitUpstreams(config, secrets, await pickTransport());
    for (const line of visits.lines) io.out(`${line}\n`);
    all.push(...visits.findings);
  }
  const found = report(source, all);
  return { errors: found.errors, warnings: [...warnings, ...found.warnings] };
}

function summary({ listeners, upstreams, tables, redis }: Config): string {
  const source = tables.source === 'redis' ? redisOf(redis) : tables.domainTable;
  return [count(listeners, 'listener'), count(upstreams, 'upstream'), `tables from ${source}`].join(', ');
}

function count(items: readonly unknown[], noun: string): string {
  return `${items.length} ${noun}${items.length === 1 ? '' : 's'}`;
}

function redisOf({ host, port, sentinels, master, cluster }: Config['redis']): string {
  if (cluster !== null) return `redis cluster of ${cluster[0]!.host} port ${cluster[0]!.port}`;
  return sentinels === null
    ? `redis at ${host} port ${port}`
    : `redis ${master} of ${sentinels.length} sentinels`;
}
