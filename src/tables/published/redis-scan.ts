import type { RedisLink } from '../redis/client.ts';
import { COMMANDS_AT_ONCE } from './published.ts';

/** Every field of a hash with its value, some maybe twice. */
export async function* scan(link: RedisLink, key: string): AsyncGenerator<[field: string, value: Buffer]> {
  let cursor = '0';
  do {
    const reply = await link.command('HSCAN', key, cursor, 'COUNT', COMMANDS_AT_ONCE);
    const [next, items] = reply as [Buffer, Buffer[]];
    for (let i = 0; i < items.length; i += 2) yield [items[i]!.toString('latin1'), items[i + 1]!];
    cursor = next.toString('latin1');
  } while (cursor !== '0');
}
