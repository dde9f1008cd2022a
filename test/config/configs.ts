import assert from 'node:assert/strict';
import { type ParsedConfig, parseConfig } from '../../src/config/load.ts';
import { type ConfigError, formatError } from '../../src/config/problem.ts';

export const LISTENERS = 'listeners: [{ name: pop3, port: 110, tls: off, plaintext_auth: [127.0.0.0/8] }]\n';
export const UPSTREAMS = 'upstreams: [{ name: mailstore, host: 127.0.0.1, port: 1110 }]\n';

/** The least that is a config, and what a test is about. */
export function withRest(text: string): string {
  return (
    (text.includes('listeners:') ? '' : LISTENERS) + (text.includes('upstreams:') ? '' : UPSTREAMS) + text
  );
}

export function good(text: string): ParsedConfig {
  const parsed = parseConfig(text, 'test.yaml');
  assert.ok('config' in parsed, 'errors' in parsed ? parsed.errors.map(formatError).join('\n') : '');
  return parsed;
}

export function errorsOf(text: string): ConfigError[] {
  const parsed = parseConfig(text, 'test.yaml');
  assert.ok('errors' in parsed, 'the config was taken');
  assert.notEqual(parsed.errors.length, 0);
  return parsed.errors;
}

/** `line:column path message`, for comparing. */
export function brief({ line, column, path, message }: ConfigError): string {
  return `${line}:${column} ${path} ${message}`;
}

/** The one error of a text. */
export function onlyError(text: string): ConfigError {
  const errors = errorsOf(text);
  assert.equal(errors.length, 1, errors.map(formatError).join('\n'));
  return errors[0]!;
}
