import { check } from './cli/check.ts';
import { demo } from './cli/demo.ts';
import { type CommandIo, EXIT } from './cli/io.ts';
import { lookup } from './cli/lookup.ts';
import { STDERR, STDOUT, writeWhole } from './cli/output.ts';
import { schema } from './cli/schema.ts';
import { serve } from './cli/serve.ts';
import { sync } from './cli/sync.ts';
import { tables } from './cli/tables.ts';
import { worker } from './cli/worker.ts';

const COMMANDS: ReadonlyMap<string, (argv: string[], io: CommandIo) => Promise<number>> = new Map([
  ['serve', serve],
  ['check', check],
  ['sync', sync],
  ['lookup', lookup],
  ['tables', tables],
  ['demo', demo],
  ['schema', schema],
  ['worker', worker],
]);

const USAGE = `usage: teapop-proxy COMMAND [OPTIONS]

  serve    run the proxy
  check    check the config and the files that it names
  sync     publish teapop.passwd and its password files to Redis
  lookup   say how a login is decided, and why
  tables   say what is published in Redis
  demo     run on shipped tables and a small mailstore, to try it out
  schema   print the JSON Schema of the config

teapop-proxy COMMAND --help tells more.
`;

async function main([name, ...argv]: string[], io: CommandIo): Promise<number> {
  const command = COMMANDS.get(name ?? '');
  if (command !== undefined) return command(argv, io);
  const asked = name === 'help' || name === '--help' || name === '-h';
  (asked ? io.out : io.err)(USAGE);
  return asked ? EXIT.ok : EXIT.usage;
}

const status = await main(process.argv.slice(2), {
  out: (text) => writeWhole(STDOUT, text),
  err: (text) => writeWhole(STDERR, text),
  env: process.env,
  terminal: process.stderr.isTTY === true,
  input: () => process.stdin,
});
// Handles that a library keeps open must not keep a finished command alive.
process.exit(status);
