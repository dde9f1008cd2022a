import { parseArgs } from 'node:util';
import { fileFindings } from '../config/files.ts';
import { configFile, type LoadedConfig, loadConfig, sorted } from '../config/load.ts';
import { type ConfigError, formatError } from '../config/problem.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy check [--config FILE]

Reads the config, the secrets, certificates and keys that it names, and reports all that is wrong with them.
The file is that of --config, or of TEAPOP_PROXY_CONFIG, or /etc/teapop-proxy/teapop-proxy.yaml.
Exit status: 0 good (warnings included), 1 errors, 2 wrong usage.
`;

/** The command `check`. */
export async function check(argv: string[], io: CommandIo): Promise<number> {
  let options: { config?: string | undefined; help?: boolean | undefined };
  try {
    options = parseArgs({
      args: argv,
      options: { config: { type: 'string', short: 'c' }, help: { type: 'boolean', short: 'h' } },
    }).values;
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return EXIT.usage;
  }
  if (options.help === true) {
    io.out(USAGE);
    return EXIT.ok;
  }
  return checkFile(configFile(options.config, io.env), io);
}

function checkFile(file: string, io: CommandIo): number {
  const loaded = loadConfig(file, io.env);
  const { errors, warnings } =
    'errors' in loaded ? loaded : sorted(loaded.source, fileFindings(loaded.config, Date.now()));
  const doubts = 'errors' in loaded ? warnings : [...loaded.warnings, ...warnings];
  for (const problem of [...errors, ...doubts]) io.err(`${formatError(problem)}\n`);
  if (errors.length === 0 && !('errors' in loaded)) {
    io.out(`${summary(file, loaded, doubts)}\n`);
    return EXIT.ok;
  }
  io.err(`${file}: ${count(errors, 'error')}, ${count(doubts, 'warning')}\n`);
  return EXIT.failed;
}

function summary(file: string, { config }: LoadedConfig, warnings: ConfigError[]): string {
  const { listeners, upstreams, tables, redis } = config;
  const source = tables.source === 'redis' ? `redis at ${redis.host} port ${redis.port}` : tables.domainTable;
  const parts = [count(listeners, 'listener'), count(upstreams, 'upstream'), `tables from ${source}`];
  return `${file} is good: ${[...parts, count(warnings, 'warning')].join(', ')}`;
}

function count(items: readonly unknown[], noun: string): string {
  return `${items.length} ${noun}${items.length === 1 ? '' : 's'}`;
}
