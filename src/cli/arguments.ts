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
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  try {
    const { values } = parseArgs({ args: argv, options: { ...options, ...help } });
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
