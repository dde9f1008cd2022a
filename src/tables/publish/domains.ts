import type { Fingerprints } from '../published/fingerprint.ts';
import { COMMANDS_AT_ONCE, RowsLost } from '../published/published.ts';
import { encodeEntries, encodeStamp, FORMAT } from '../published/redis-format.ts';
import { FIELD_DOMAIN, FIELD_STAMP } from '../published/redis-keys.ts';
import type { RedisLink } from '../redis/link.ts';
import type { DomainEntry } from '../teapop/model.ts';

/** Domain → its entries and the value of its field, in the order of the file. */
export type PackedDomains = Map<string, { entries: DomainEntry[]; value: Buffer }>;

export function packDomains(entries: readonly DomainEntry[]): PackedDomains {
  const byDomain = new Map<string, DomainEntry[]>();
  for (const entry of entries) {
    const group = byDomain.get(entry.domain);
    if (group === undefined) byDomain.set(entry.domain, [entry]);
    else group.push(entry);
  }
  return new Map(
    Array.from(byDomain, ([domain, group]) => [domain, { entries: group, value: encodeEntries(group) }]),
  );
}

/** Tells whether the compiled table is the published one, resolved names included. */
export function domainsSource(packed: PackedDomains, fingerprints: Fingerprints): string {
  const source = fingerprints.source(`domains ${FORMAT}`);
  for (const [domain, { value }] of packed) {
    // JSON says where it ends, and a colon stands in no domain.
    source.add(Buffer.from(`${domain}:`, 'latin1'));
    source.add(value);
  }
  return source.value();
}

/** Writes the next domain table beside the live one. Rejects where Redis does not hold all of it. */
export async function writeDomains(
  link: RedisLink,
  next: string,
  packed: PackedDomains,
  generation: number,
): Promise<void> {
  let fields: (string | Buffer)[] = [FIELD_STAMP, encodeStamp(generation)];
  const flush = async () => {
    if (fields.length > 0) await link.command('HSET', next, ...fields);
    fields = [];
  };
  for (const [domain, { value }] of packed) {
    fields.push(FIELD_DOMAIN + domain, value);
    if (fields.length >= COMMANDS_AT_ONCE) await flush();
  }
  await flush();
  // The stamp is a field of its own.
  if ((await link.command('HLEN', next)) !== packed.size + 1) throw new RowsLost(next);
}
