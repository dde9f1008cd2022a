import { parseArgs } from 'node:util';
import { reference } from '../config/reference.ts';
import { jsonSchema } from '../config/schema.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy schema [--markdown]

Prints the JSON Schema of the config, for editors; with --markdown the table of all settings.
`;

/** The command `schema`. */
export async function schema(argv: string[], io: CommandIo): Promise<number> {
  let options: { markdown?: boolean | undefined; help?: boolean | undefined };
  try {
    options = parseArgs({
      args: argv,
      options: { markdown: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    }).values;
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return EXIT.usage;
  }
  if (options.help === true) io.out(USAGE);
  else io.out(options.markdown === true ? reference() : `${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return EXIT.ok;
}
