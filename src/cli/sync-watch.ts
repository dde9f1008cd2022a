import type { LoadedConfig } from '../config/load.ts';
import { createLog, type Log } from '../ops/log.ts';
import { printableOctets } from '../ops/printable.ts';
import type { PublishResult } from '../tables/publish/publication.ts';
import { syncTables } from '../tables/sync/sync.ts';
import { type LoopEvent, syncLoop } from '../tables/sync/sync-loop.ts';
import type { Diagnostic } from '../tables/teapop/model.ts';
import { EXIT } from './io.ts';
import { syncOptions } from './sync-options.ts';

/** `sync --watch`: runs until SIGTERM or SIGINT; a second signal does not wait. */
export async function syncWatch(loaded: LoadedConfig): Promise<number> {
  const { config } = loaded;
  const { accounts, domainTable } = config.tables;
  const log = createLog(config.log);
  process.on('exit', () => log.flushNow());
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log.event('info', 'signal', { signal });
      if (stopping.signal.aborted) process.exit(EXIT.ok);
      stopping.abort(new Error(`stopped by ${signal}`));
    });
  }
  try {
    const options = await syncOptions(loaded);
    const files = [domainTable, ...(accounts === 'any' ? [] : [accounts.passwd, accounts.group])];
    await syncLoop({
      files: files.map((path) => Buffer.from(path).toString('latin1')),
      ...config.sync,
      sync: (hooks) => syncTables({ ...options, ...hooks }),
      tell: eventLog(log),
      signal: stopping.signal,
    });
    log.event('info', 'stopped');
    return EXIT.ok;
  } catch (error) {
    log.event('error', 'not-started', { detail: (error as Error).message });
    return EXIT.failed;
  } finally {
    await log.flush();
  }
}

function eventLog(log: Log): (event: LoopEvent) => void {
  const diagnostics = diagnosticLog(log);
  return (event) => {
    switch (event.what) {
      case 'watching':
        log.event('info', 'watching', { files: event.files, directories: event.directories });
        return;
      case 'unwatched':
        log.event('warn', 'unwatched', { directories: event.directories, detail: event.detail });
        return;
      case 'unsettled':
        log.event('warn', 'unsettled', {
          file: printableOctets(event.path),
          waited: Math.round(event.waited),
        });
        return;
      case 'synced':
        synced(event.result, log);
        diagnostics(event.result.diagnostics);
        return;
      case 'refused':
        log.event('error', 'sync-refused', { detail: event.detail });
        diagnostics(event.diagnostics);
        return;
      case 'failed':
        log.event('error', 'sync-failed', { detail: event.detail, retry_in: event.retryIn });
        return;
    }
  };
}

function synced({ report }: PublishResult, log: Log): void {
  const { published, generation, domains, users, added, changed, removed, hashed, duration } = report;
  // One that finds nothing is told to whoever looks for it alone.
  log.event(published ? 'info' : 'debug', 'synced', {
    ...{ published, generation, domains, users, added, changed, removed, hashed },
    duration: Math.round(duration),
  });
}

/** Says what is wrong with the files when it changes, not with each sync. */
function diagnosticLog(log: Log): (diagnostics: readonly Diagnostic[]) => void {
  let told = '';
  return (diagnostics) => {
    const now = JSON.stringify(diagnostics);
    if (now === told) return;
    told = now;
    for (const { severity, file, line, code, reason, cure } of diagnostics) {
      const level = severity === 'error' ? 'error' : 'warn';
      log.event(level, 'table-diagnostic', { file, line, code, reason, cure });
    }
  };
}
