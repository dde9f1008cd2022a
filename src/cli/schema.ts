import { reference } from '../config/reference.ts';
import { jsonSchema } from '../config/schema.ts';
import { readArguments } from './arguments.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy schema [--markdown]

Prints the JSON Schema of the config, for editors; with --markdown the table of all settings.
`;

/** The command `schema`. */
export async function schema(argv: string[], io: CommandIo): Promise<number> {
  const values = readArguments(argv, { markdown: { type: 'boolean', default: false } } as const, USAGE, io);
  if (typeof values === 'number') return values;
  io.out(values.markdown ? reference() : `${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return EXIT.ok;
}
