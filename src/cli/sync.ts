import type { LoadedConfig } from '../config/load.ts';
import { syncTables } from '../tables/sync/sync.ts';
import { CONFIG_OPTION, readArguments } from './arguments.ts';
import { readConfig } from './config.ts';
import { type CommandIo, EXIT } from './io.ts';
import { progressBar } from './progress.ts';
import { syncOptions } from './sync-options.ts';
import { jsonReport, shownDiagnostic, summary, tellFailure } from './sync-report.ts';
import { syncRollback } from './sync-rollback.ts';
import { syncWatch } from './sync-watch.ts';

export const USAGE = `usage: teapop-proxy sync [--config FILE] [--dry-run] [--force] [--verbose | --json]
       teapop-proxy sync --watch [--config FILE]
       teapop-proxy sync --rollback [--config FILE] [--json]

Reads teapop.passwd and its password files, compiles them and publishes them to Redis in one step. Lines that lock
somebody out are reported with file, line, reason and cure. Refused is what would lose more of the published users or
domains than sync.max_loss allows, or a password file that is gone and has published users.

  --dry-run   do all of it but hash and switch, and say what would have been
  --force     publish whatever is lost by it
  --verbose   list all that changed, by domain and by user
  --json      print one line of JSON instead
  --watch     follow the files until SIGTERM, and publish when they change
  --rollback  bring back what was published before; the next sync publishes the files again

Exit status: 0 the tables in Redis are those asked for, 1 nothing was changed, 2 wrong usage.
`;

const OPTIONS = {
  ...CONFIG_OPTION,
  'dry-run': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  verbose: { type: 'boolean', short: 'v', default: false },
  json: { type: 'boolean', default: false },
  watch: { type: 'boolean', default: false },
  rollback: { type: 'boolean', default: false },
} as const;

type Flags = { 'dry-run': boolean; force: boolean; verbose: boolean; json: boolean };

/** The command `sync`. */
export async function sync(argv: string[], io: CommandIo): Promise<number> {
  const values = readArguments(argv, OPTIONS, USAGE, io);
  if (typeof values === 'number') return values;
  const { config, watch, rollback, ...flags } = values;
  if (!areOfOneForm({ watch, rollback, ...flags })) {
    io.err(`sync: these options do not go together\n${USAGE}`);
    return EXIT.usage;
  }
  const loaded = readConfig(config, io);
  if (loaded === null) return EXIT.failed;
  if (watch) return syncWatch(loaded);
  if (rollback) return syncRollback(loaded, flags.json, io);
  return once(loaded, flags, io);
}

function areOfOneForm({
  watch,
  rollback,
  json,
  ...rest
}: Flags & { watch: boolean; rollback: boolean }): boolean {
  const others = Object.values(rest).includes(true);
  if (watch) return !rollback && !json && !others;
  return rollback ? !others : !(json && rest.verbose);
}

async function once(loaded: LoadedConfig, flags: Flags, io: CommandIo): Promise<number> {
  const bar = io.terminal ? progressBar(io.err) : null;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('interrupted, nothing was changed'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const { report, diagnostics } = await syncTables({
      ...(await syncOptions(loaded)),
      force: flags.force,
      dryRun: flags['dry-run'],
      progress: bar?.show,
      signal: interrupted.signal,
    }).finally(() => bar?.clear());
    if (flags.json) io.out(jsonReport(report, diagnostics));
    else {
      for (const diagnostic of diagnostics) io.err(`${shownDiagnostic(diagnostic)}\n`);
      io.out(summary(report, diagnostics, flags.verbose));
    }
    return EXIT.ok;
  } catch (error) {
    tellFailure(error as Error, flags.json, io);
    return EXIT.failed;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
