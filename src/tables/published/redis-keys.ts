import type { TableId } from '../teapop/model.ts';

/**
 * Where the published tables stand in Redis. A key is made of the site's prefix and of table ids alone, so
 * no octet that an operator, a table or a client chose reaches one: domains and userids are fields of a hash.
 * What changes together shares a hash tag (`{…}`), hence a slot of a Cluster.
 */
export type RedisKeys = {
  /** Hash of the domain table: FIELD_DOMAIN + name → its entries. */
  domains: string;
  /** Set of the ids of the password tables that the domain table names. */
  tables: string;
  /** Hash of a password table: FIELD_USER + userid → its rows. */
  table(id: TableId): string;
  /** Hash beside a password table: FIELD_USER + userid → better hashes for its rows, see better-hash.ts. */
  better(id: TableId): string;
  /** Hash of what the last sync had to say of the files, see kept-diagnostics.ts. */
  diagnostics: string;
  /** String that the one running sync owns. */
  claim: string;
  /** Set of keys that a sync has begun to write and not yet switched to. */
  begun: string;
  /** Hash of what each of the last generations changed, see change-log.ts. */
  changes: string;
  /** Channel on which each new generation is told, to spare proxies the wait until they ask. */
  changed: string;
};

/** The first octet of a field tells names from what the publisher notes, whatever octets the name holds. */
export const FIELD_DOMAIN = 'd';
export const FIELD_USER = 'u';
/** The format and the generation in which the hash was switched in, see redis-format.ts. */
export const FIELD_STAMP = 'g';
/** What operators and the next sync are told of the hash. */
export const FIELD_META = 'm';

const PREFIX = /^[A-Za-z0-9_.-]{1,64}$/;
const TABLE_ID = /^[0-9A-Za-z_-]{1,128}$/;

/** @throws RangeError on a prefix or, later, a table id that holds anything but letters, digits and `_ . -` */
export function redisKeys(prefix: string): RedisKeys {
  if (!PREFIX.test(prefix))
    throw new RangeError('the prefix of the Redis keys must match [A-Za-z0-9_.-]{1,64}');
  const table = (id: TableId) => {
    if (!TABLE_ID.test(id)) throw new RangeError('not the id of a password table');
    return `${prefix}:{table-${id}}`;
  };
  return {
    domains: `${prefix}:{domains}`,
    tables: `${prefix}:{domains}:tables`,
    diagnostics: `${prefix}:{domains}:diagnostics`,
    claim: `${prefix}:{domains}:sync`,
    begun: `${prefix}:{domains}:begun`,
    changes: `${prefix}:{domains}:changes`,
    changed: `${prefix}:{domains}:changed`,
    table,
    better: (id) => `${table(id)}:better`,
  };
}

/** Where a sync writes what it will switch to. */
export function nextOf(key: string, nonce: string): string {
  return `${key}:next:${nonce}`;
}

/** Where the generation before is kept, for lookups that began in it and for a rollback. */
export function previousOf(key: string): string {
  return `${key}:previous`;
}
