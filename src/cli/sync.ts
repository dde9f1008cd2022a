import { createPasswordTools } from '../auth/password-tools.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openSealer } from '../server/authenticator.ts';
import { redisSettings } from '../server/redis-settings.ts';
import type { Diagnostic } from '../tables/model.ts';
import type { PublishReport } from '../tables/publication.ts';
import { syncTables } from '../tables/sync.ts';
import { CONFIG_OPTION, readArguments } from './arguments.ts';
import { readConfig } from './config.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy sync [--config FILE] [--force]

Reads teapop.passwd and its password files, compiles them and publishes them to Redis in one step. Lines that lock
somebody out are reported with file, line, reason and cure. --force publishes even where a password file that has
published users is gone.
Exit status: 0 the tables in Redis are those of the files, 1 nothing was changed, 2 wrong usage.
`;

/** The command `sync`. */
export async function sync(argv: string[], io: CommandIo): Promise<number> {
  const options = { ...CONFIG_OPTION, force: { type: 'boolean', default: false } } as const;
  const values = readArguments(argv, options, USAGE, io);
  if (typeof values === 'number') return values;
  const loaded = readConfig(values.config, io);
  if (loaded === null) return EXIT.failed;
  try {
    const { report, diagnostics } = await run(loaded, values.force);
    for (const diagnostic of diagnostics) io.err(`${shownDiagnostic(diagnostic)}\n`);
    io.out(summary(report, diagnostics));
    return EXIT.ok;
  } catch (error) {
    io.err(`sync: ${(error as Error).message}\n`);
    return EXIT.failed;
  }
}

async function run({ config, secrets }: LoadedConfig, force: boolean) {
  const { tables, passwords, redis } = config;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('interrupted, nothing was changed'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await syncTables({
      files: {
        domainTable: tables.domainTable,
        resolveNames: tables.resolveNames,
        accounts: tables.accounts,
      },
      redis: await redisSettings(config, secrets),
      prefix: redis.prefix,
      fingerprintKeyFile: passwords.fingerprintKeyFile,
      passwords: createPasswordTools(passwords.argon2, await openSealer(config)),
      offersApop: (domain) => tables.domains.get(domain)?.apop ?? false,
      concurrency: passwords.concurrency,
      force,
      signal: interrupted.signal,
    });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** `file:line: severity: reason (cure)`, as compilers and editors have it. */
export function shownDiagnostic({ file, line, severity, reason, cure }: Diagnostic): string {
  const place = line === 0 ? file : `${file}:${line}`;
  return `${place}: ${severity}: ${reason}\n    cure: ${cure}`;
}

function summary(report: PublishReport, diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  const seconds = (report.duration / 1000).toFixed(1);
  const done = report.published ? `published generation ${report.generation}` : 'nothing had changed';
  return [
    `${done}: ${report.domains} domains, ${report.users} users in ${report.tables} password tables, ${seconds} s`,
    `users: ${report.added} added, ${report.changed} changed, ${report.removed} removed`,
    `passwords: ${report.hashed} hashed, ${report.reused} kept`,
    `diagnostics: ${errors} errors, ${diagnostics.length - errors} warnings`,
    '',
  ].join('\n');
}
