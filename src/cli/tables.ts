import type { LoadedConfig } from '../config/load.ts';
import { redisSettings } from '../server/redis-settings.ts';
import { type Survey, survey } from '../tables/inspect/survey.ts';
import { redisKeys } from '../tables/published/redis-keys.ts';
import { connectRedis } from '../tables/redis/client.ts';
import { CONFIG_OPTION, readArguments } from './arguments.ts';
import { readConfig } from './config.ts';
import { type CommandIo, EXIT } from './io.ts';
import { tablesJson, tablesText } from './tables-text.ts';

export const USAGE = `usage: teapop-proxy tables [--json] [--config FILE]

Says what is published in Redis: counts, generation and age, the memory it takes, better hashes made by use, the
server, and what the last sync had to say of the files.
Exit status: 0 tables are published, 1 Redis cannot be asked or holds none, 2 wrong usage or config.
`;

/** Asking what a hundred thousand tables weigh may hold Redis up longer than one login does; in ms. */
const PATIENCE = 30_000;

/** The command `tables`. */
export async function tables(argv: string[], io: CommandIo): Promise<number> {
  const options = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const;
  const values = readArguments(argv, options, USAGE, io);
  if (typeof values === 'number') return values;
  const loaded = readConfig(values.config, io);
  if (loaded === null) return EXIT.usage;
  try {
    const found = await ask(loaded);
    io.out(values.json ? tablesJson(found, loaded.config) : tablesText(found, loaded.config));
    return EXIT.ok;
  } catch (error) {
    io.err(`tables: ${(error as Error).message}\n`);
    return EXIT.failed;
  }
}

async function ask({ config, secrets }: LoadedConfig): Promise<Survey> {
  const settings = await redisSettings(config, secrets);
  const link = connectRedis({ ...settings, timeout: Math.max(settings.timeout, PATIENCE) });
  try {
    await link.whenReady(settings.timeout);
    return await survey(link, redisKeys(config.redis.prefix));
  } finally {
    link.close();
  }
}
