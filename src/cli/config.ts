import { configFile, type LoadedConfig, loadConfig } from '../config/load.ts';
import { formatError } from '../config/problem.ts';
import type { CommandIo } from './io.ts';

/** The config that a command runs with; null where it cannot be used, and everything wrong with it has been told. */
export function readConfig(told: string | undefined, { err, env }: CommandIo): LoadedConfig | null {
  const file = configFile(told, env);
  const loaded = loadConfig(file, env);
  const findings = 'errors' in loaded ? [...loaded.errors, ...loaded.warnings] : loaded.warnings;
  for (const finding of findings) err(`${formatError(finding)}\n`);
  return 'errors' in loaded ? null : loaded;
}
