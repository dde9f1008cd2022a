import { FIELD_META, FIELD_STAMP } from '../published/redis-keys.ts';
import { type Script, script } from '../redis/link.ts';

/**
 * The steps of a switch: each changes keys of one hash slot, all of them or none, and only where it finds what it
 * rests on. A MULTI would do as much, but a WATCH before it is lost with its connection and does not follow a slot
 * to another node.
 */

const GENERATION = `
local function generation(key)
  local stamp = redis.call('HGET', key, '${FIELD_STAMP}')
  return stamp and tonumber(string.match(stamp, '%.(%d+)$'))
end`;

/**
 * Brings the next password table in. What stood there before stays as the one before, unless nobody ever saw it: a
 * sync was interrupted behind this step, and lookups still go by the one before.
 * KEYS: table, next, previous. ARGV: the next one's stamp, the published generation. 1, or 0 where Redis lost it.
 */
export const BRING_IN: Script = script(`${GENERATION}
local live, fresh, previous = unpack(KEYS)
if redis.call('HGET', fresh, '${FIELD_STAMP}') ~= ARGV[1] then return 0 end
local was = generation(live)
if was and was <= tonumber(ARGV[2]) then
  redis.call('UNLINK', previous)
  redis.call('RENAME', live, previous)
else
  redis.call('UNLINK', live)
end
redis.call('RENAME', fresh, live)
return 1`);

/**
 * Takes a table out that the published domain table names no more: lookups that began before find it as the one
 * before. KEYS: table, previous. ARGV: the generation before, the one that is published now.
 */
export const TAKE_OUT: Script = script(`${GENERATION}
local live, previous = unpack(KEYS)
local was = generation(live)
if was and was <= tonumber(ARGV[1]) then
  redis.call('UNLINK', previous)
  redis.call('RENAME', live, previous)
elseif was and was <= tonumber(ARGV[2]) then
  redis.call('UNLINK', live)
end
return 1`);

/** What PUBLISH_ALL answers. */
export const DONE = 'done';
export const CLAIM_GONE = 'claim';
export const TABLES_CHANGED = 'changed';
export const ROWS_LOST = 'lost';

/**
 * Makes a generation the one that lookups see: the domain table, its stamp, the set of tables, the change log, the
 * nudge. KEYS: domain table, next, previous; set of tables, next, previous; begun, claim, change log. ARGV: the
 * claim's token, the generation found before or 0, the new stamp, meta, fields of the next domain table or '' where it
 * stays, tables of the next set or '' where it stays, field and value for the change log (the value
 * '' where there is too much to list), field to drop, channel.
 */
export const PUBLISH_ALL: Script = script(`${GENERATION}
local domains, nextDomains, domainsBefore, tables, nextTables, tablesBefore, begun, claim, log = unpack(KEYS)
local token, found, stamp, meta, fields, ids, number, changes, dropped, channel = unpack(ARGV)
if redis.call('GET', claim) ~= token then return '${CLAIM_GONE}' end
if (generation(domains) or 0) ~= tonumber(found) then return '${TABLES_CHANGED}' end
if fields ~= '' and redis.call('HLEN', nextDomains) ~= tonumber(fields) then return '${ROWS_LOST}' end
if fields ~= '' and redis.call('HGET', nextDomains, '${FIELD_STAMP}') ~= stamp then return '${ROWS_LOST}' end
if ids ~= '' and redis.call('SCARD', nextTables) ~= tonumber(ids) then return '${ROWS_LOST}' end
local function switch(live, fresh, previous)
  if redis.call('EXISTS', live) == 1 then redis.call('RENAME', live, previous) end
  if redis.call('EXISTS', fresh) == 1 then redis.call('RENAME', fresh, live) end
end
redis.call('UNLINK', domainsBefore, tablesBefore, begun)
if fields ~= '' then switch(domains, nextDomains, domainsBefore) end
if ids ~= '' then switch(tables, nextTables, tablesBefore) end
redis.call('HSET', domains, '${FIELD_STAMP}', stamp, '${FIELD_META}', meta)
if changes ~= '' then redis.call('HSET', log, number, changes) end
redis.call('HDEL', log, dropped)
redis.call('PUBLISH', channel, number)
return '${DONE}'`);
