import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { type CommandIo, EXIT } from './io.ts';

/**
 * A command's options by name, or the exit status with which it ends at once: after --help, or after words that it
 * does not take, which are told together with the usage.
 */
export function readArguments<Options extends ParseArgsOptionsConfig>(
  argv: string[],
  options: Options,
  usage: string,
  io: CommandIo,
) {
  return read(() => parseArgs({ args: argv, options: { ...options, ...HELP } }).values, usage, io);
}

/** The same for a command that takes words besides: so many. */
export function readWords<Options extends ParseArgsOptionsConfig>(
  argv: string[],
  options: Options,
  count: number,
  usage: string,
  io: CommandIo,
) {
  const parsed = () => {
    const { values, positionals } = parseArgs({
      ...{ args: argv, options: { ...options, ...HELP }, allowPositionals: true },
    });
    const { help } = values as { help?: boolean };
    if (!help && positionals.length !== count) throw new Error(`expected ${count} word besides options`);
    return Object.assign(values, { words: positionals });
  };
  return read(parsed, usage, io);
}

const HELP = { help: { type: 'boolean', short: 'h' } } as const;

function read<Values extends object>(parse: () => Values, usage: string, io: CommandIo): Values | number {
  try {
    const values = parse();
    if (!(values as { help?: boolean }).help) return values;
    io.out(usage);
    return EXIT.ok;
  } catch (error) {
    io.err(`${(error as Error).message}\n${usage}`);
    return EXIT.usage;
  }
}

/** Every command that works from the config takes it. */
export const CONFIG_OPTION = { config: { type: 'string', short: 'c' } } as const;
