import { isIP } from 'node:net';
import { z } from 'zod';
import {
  DURATION,
  type Network,
  parseDuration,
  parseNetwork,
  parseShare,
  parseSize,
  SECONDS,
  SHARE,
  SIZE,
} from './units.ts';

/**
 * The kinds of values that settings have. A message that carries a hint for the operator has it behind a line
 * feed: `say` joins them, `problem.ts` takes them apart.
 */
export function say(message: string, hint: string): string {
  return `${message}\n${hint}`;
}

type Camel<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Key;
type CamelKeys<T> = { [Key in keyof T as Camel<Key & string>]: T[Key] };

function camelKeys<T extends object>(value: T): CamelKeys<T> {
  const renamed = Object.entries(value).map(([key, item]) => [
    key.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()),
    item,
  ]);
  return Object.fromEntries(renamed) as CamelKeys<T>;
}

/** A mapping with these keys alone: snake_case in the file, camelCase in the typed Config. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z
    .strictObject(shape, {
      error: (issue) => (issue.code === 'invalid_type' ? 'expected settings' : undefined),
    })
    .transform(camelKeys);
}

/** A section that may be left out, or left empty with all its lines commented out. */
export function optionalSection<Shape extends z.ZodRawShape>(shape: Shape, description: string) {
  return z.preprocess(nullAsEmpty, section(shape)).prefault({}).describe(description);
}

function nullAsEmpty(value: unknown): unknown {
  return value === null ? {} : value;
}

/** YAML 1.1 reads `off` as false, and so do many people. */
export function falseAsOff(value: unknown): unknown {
  return value === false ? 'off' : value;
}

/** The same for a setting that has `on` as well. */
export function trueAsOn(value: unknown): unknown {
  return value === true ? 'on' : falseAsOff(value);
}

/**
 * `off`, or the settings of what is then on.
 * @param standard what it is where nothing is written: `{}` for on with its defaults
 */
export function sectionOrOff<Shape extends z.ZodRawShape>(
  shape: Shape,
  description: string,
  standard: 'off' | Record<string, never> = {},
) {
  const either = z.union([z.literal('off'), section(shape)], { error: 'expected off or settings' });
  return z
    .preprocess((value) => falseAsOff(nullAsEmpty(value)), either)
    .transform((value) => (value === 'off' ? null : value))
    .prefault(standard)
    .describe(description);
}

/** A whole number with a unit, in milliseconds afterwards. */
export function duration(standard: string, least: string, most: string, description: string) {
  const expected = say('expected a duration', 'write a whole number and a unit: 500ms, 30s, 10m, 24h');
  return quantity('duration', DURATION, expected, parseDuration, [least, most], standard, description);
}

/** The same for what the system counts in seconds. */
export function seconds(standard: string, least: string, most: string, description: string) {
  const expected = say('expected whole seconds', 'write a whole number and a unit: 30s, 10m, 24h');
  return quantity('whole seconds', SECONDS, expected, parseDuration, [least, most], standard, description);
}

/** A whole number with a unit, in octets afterwards. */
export function size(standard: string, least: string, most: string, description: string) {
  const expected = say('expected a size', 'write a whole number and a unit: 512B, 64KiB, 19MiB, 1GiB');
  return quantity('size', SIZE, expected, parseSize, [least, most], standard, description);
}

/** A share of a whole, from 0 to 1 afterwards. */
export function share(standard: string, description: string) {
  const expected = say('expected a percentage', 'write a number and a percent sign: 20%, 0.5%');
  return quantity('percentage', SHARE, expected, parseShare, ['0%', '100%'], standard, description);
}

function quantity(
  title: string,
  pattern: RegExp,
  expected: string,
  parse: (text: string) => number,
  [least, most]: [string, string],
  standard: string,
  description: string,
) {
  return z
    .string({ error: expected })
    .regex(pattern, expected)
    .meta({ title })
    .transform((text, context) => {
      const value = parse(text);
      if (value < parse(least) || value > parse(most)) {
        context.addIssue({ code: 'custom', input: text, message: `expected ${least} to ${most}` });
      }
      return value;
    })
    .prefault(standard)
    .describe(`${description} From ${least} to ${most}.`);
}

export function integer(least: number, most: number) {
  const expected = `expected a whole number from ${least} to ${most}`;
  return z.int({ error: expected }).min(least, expected).max(most, expected);
}

export function flag(standard: boolean, description: string) {
  return truth().default(standard).describe(description);
}

/** A flag of a part; null for what is set for the whole. */
export function ownFlag(description: string) {
  return truth().nullable().default(null).describe(description);
}

function truth() {
  return z.boolean({
    error: say('expected true or false', 'yes, no, on and off are plain words in YAML 1.2'),
  });
}

/** A name that ends up in logs and metric labels. */
export function label() {
  const expected = say('expected a name', 'up to 32 of the characters a-z, 0-9, _ and -');
  return z
    .string({ error: expected })
    .regex(/^[a-z0-9_-]{1,32}$/, expected)
    .meta({ title: 'name' });
}

/** Relative paths would depend on where the service was started. */
export function path() {
  const expected = say('expected an absolute path', 'write the whole path, from the leading slash on');
  return z
    .string({ error: expected })
    .regex(/^\/[^\x00-\x1f]+$/, expected)
    .meta({ title: 'absolute path' });
}

/** The name of an environment variable; the pattern keeps a password written here by mistake out of it. */
export function variable() {
  const expected = say(
    'expected the name of an environment variable',
    'capital letters, digits and _; the variable holds the secret, not this file',
  );
  return z
    .string({ error: expected })
    .regex(/^[A-Z_][A-Z0-9_]{0,127}$/, expected)
    .meta({ title: 'name of an environment variable' });
}

export function ipAddress() {
  const expected = say('expected an IP address', 'such as "::", 0.0.0.0 or 127.0.0.1; no brackets, no port');
  return z
    .string({ error: expected })
    .refine((text) => isIP(text) !== 0, expected)
    .meta({ title: 'IP address' });
}

export function host() {
  const expected = say(
    'expected a host name or an IP address',
    'no brackets, no URL; the port has a key of its own',
  );
  const name =
    /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
  return z
    .string({ error: expected })
    .refine((text) => isIP(text) !== 0 || name.test(text), expected)
    .meta({ title: 'host name or IP address' });
}

export function network() {
  const expected = say('expected a network', 'such as 192.0.2.0/24 or 2001:db8::/32');
  return z
    .string({ error: expected })
    .meta({ title: 'network' })
    .transform((text, context): Network => {
      const parsed = parseNetwork(text);
      if (parsed !== null) return parsed;
      context.addIssue({ code: 'custom', input: text, message: expected });
      return z.NEVER;
    });
}

/** What goes to the mailstore inside a line: a control character or a space there could become a second command. */
export function visible(least: number, most: number) {
  const expected = say('expected visible ASCII characters', `${least} to ${most} of them, no spaces`);
  return z.string({ error: expected }).regex(new RegExp(`^[!-~]{${least},${most}}$`), expected);
}

/** How a connection gets its TLS. */
export const tlsMode = z.enum(['off', 'starttls', 'implicit'], {
  error: 'expected off, starttls or implicit',
});
