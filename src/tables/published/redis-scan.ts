import type { RedisLink } from '../redis/link.ts';
import { COMMANDS_AT_ONCE } from './published.ts';

/** Every field of a hash with its value, some maybe twice. */
export async function* scan(link: RedisLink, key: string): AsyncGenerator<[field: string, value: Buffer]> {
  for await (const page of scanPages(link, key)) yield* page;
}

/** The same, as they come. */
export async function* scanPages(
  link: RedisLink,
  key: string,
): AsyncGenerator<[field: string, value: Buffer][]> {
  let cursor = '0';
  do {
    const reply = await link.command('HSCAN', key, cursor, 'COUNT', COMMANDS_AT_ONCE);
    const [next, items] = reply as [Buffer, Buffer[]];
    cursor = next.toString('latin1');
    yield Array.from({ length: items.length / 2 }, (_, i) => [
      items[2 * i]!.toString('latin1'),
      items[2 * i + 1]!,
    ]);
  } while (cursor !== '0');
}
