import { readFileSync, statSync } from 'node:fs';
import { type ConfigError, type Finding, MOST_ERRORS } from './problem.ts';
import type { Config } from './schema.ts';
import { type Environment, loadSecrets, type Secrets } from './secrets.ts';
import { Source } from './source.ts';
import { systemReason } from './system.ts';
import { validate } from './validate.ts';

/** A setting for each of some thousand domains fits; a bigger file is another one, given by mistake. */
export const LARGEST_FILE = 1024 * 1024;

/** Where a package puts the config. */
const USUAL_FILE = '/etc/teapop-proxy/teapop-proxy.yaml';

/** The config that a command means: the one it was told, else that of TEAPOP_PROXY_CONFIG, else the usual one. */
export function configFile(told: string | undefined, environment: Environment): string {
  return told ?? environment.TEAPOP_PROXY_CONFIG ?? USUAL_FILE;
}

export type Failure = { errors: ConfigError[]; warnings: ConfigError[] };
export type ParsedConfig = { config: Config; warnings: ConfigError[]; source: Source };
export type LoadedConfig = ParsedConfig & { secrets: Secrets };

/**
 * Text to typed Config, or every error in it at once. Reads no file and never throws.
 * @param file how errors name the text
 */
export function parseConfig(text: string, file: string): ParsedConfig | Failure {
  if (text.length > LARGEST_FILE)
    return failure(file, `larger than ${LARGEST_FILE} octets`, 'is this the right file?');
  const source = new Source(file, text.replace(/^\ufeff/, ''));
  const { reading } = source;
  const syntax = source.reportSyntax();
  if (reading.syntax.some((problem) => problem.structural)) return { errors: syntax, warnings: [] };
  const { config, findings } = validate(reading.value ?? {});
  const { errors, warnings } = report(source, [...reading.findings, ...findings].slice(0, MOST_ERRORS));
  const all = [...syntax, ...errors].sort((one, other) => one.line - other.line || one.column - other.column);
  return config === null || all.length > 0 ? { errors: all, warnings } : { config, warnings, source };
}

/** Reads the config alone, none of the files that it names. */
export function readConfig(file: string): ParsedConfig | Failure {
  const text = readText(file);
  return typeof text === 'string' ? parseConfig(text, file) : text;
}

/** Reads the config and the secrets that it names. Everything that is wrong with either comes back at once. */
export function loadConfig(file: string, environment: Environment): LoadedConfig | Failure {
  const parsed = readConfig(file);
  if ('errors' in parsed) return parsed;
  const { secrets, findings } = loadSecrets(parsed.config, environment);
  const { errors, warnings } = report(parsed.source, findings);
  const all = [...parsed.warnings, ...warnings];
  return errors.length > 0 ? { errors, warnings: all } : { ...parsed, secrets, warnings: all };
}

/** Findings with their places, errors and warnings apart. */
export function report(source: Source, findings: readonly Finding[]): Failure {
  const all = source.report(findings);
  return {
    errors: all.filter((error) => error.severity === 'error'),
    warnings: all.filter((error) => error.severity === 'warning'),
  };
}

function readText(file: string): string | Failure {
  try {
    if (statSync(file).size > LARGEST_FILE)
      return failure(file, `larger than ${LARGEST_FILE} octets`, 'is this the right file?');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof TypeError) return failure(file, 'not UTF-8 text', 'save the file as UTF-8');
    return failure(
      file,
      `cannot be read: ${systemReason(error)}`,
      'name another file with --config or TEAPOP_PROXY_CONFIG',
    );
  }
}

function failure(file: string, message: string, hint: string): Failure {
  const where = { file, line: 0, column: 0, path: '', value: null, excerpt: null };
  return { errors: [{ severity: 'error', ...where, message, hint }], warnings: [] };
}
