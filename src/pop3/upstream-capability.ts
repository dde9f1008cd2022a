/**
 * What may be announced before the login because it stays true after it (RFC 2449 §5), when the session is the
 * mailstore's. Not among it is what belongs to the login itself, which is the proxy's: USER, SASL, STLS, IMPLEMENTATION;
 * and UTF8 and LANG (RFC 6856), which would change a session before there is one: the proxy does not know them.
 */

/** Announced or not, without parameters. */
const PLAIN = ['TOP', 'UIDL', 'RESP-CODES', 'PIPELINING'] as const;

/**
 * RFC 3206 is about replies to a login alone, and these are the proxy's own: true whatever the mailstore is, known or
 * not.
 */
const ALWAYS = 'AUTH-RESP-CODE';

/** A number of days or seconds; more digits than this are no such number. */
const NUMBER = /^\d{1,9}$/;

/** EXPIRE and LOGIN-DELAY: a number, and whether it may be another one for some user (RFC 2449 §6.5, §6.7). */
type Bound = { value: number; varies: boolean };

/**
 * The capabilities that hold at every mailstore.
 * @param announced the lines of each; null for one that has no CAPA. None at all: no mailstore has answered yet
 */
export function commonCapabilities(announced: readonly (readonly string[] | null)[]): string[] {
  const stores = announced.map((lines) => byTag(lines ?? []));
  const plain = PLAIN.filter((tag) => stores.length > 0 && stores.every((store) => store.has(tag)));
  const lines: string[] = [...plain, ALWAYS];
  const expire = commonExpire(stores.map((store) => bound(store.get('EXPIRE'))));
  if (expire !== null) lines.push(`EXPIRE ${said(expire)}`);
  const delay = commonDelay(stores.map((store) => bound(store.get('LOGIN-DELAY'))));
  if (delay !== null) lines.push(`LOGIN-DELAY ${said(delay)}`);
  return lines;
}

/** Whether commands may be sent before the replies to those before them (RFC 2449 §6.8). */
export function takesPipelining(lines: readonly string[] | null): boolean {
  return byTag(lines ?? []).has('PIPELINING');
}

/** Whether a login by that SASL mechanism, in upper case, is taken (RFC 5034 §6). */
export function takesMechanism(lines: readonly string[] | null, mechanism: string): boolean {
  return (
    byTag(lines ?? [])
      .get('SASL')
      ?.includes(mechanism) === true
  );
}

/** Whether a login by USER and PASS is taken (RFC 2449 §6.2); one that has no CAPA has nothing else. */
export function takesUser(lines: readonly string[] | null): boolean {
  return lines === null || byTag(lines).has('USER');
}

/** Parameters by tag, in upper case; of a tag that comes twice the first. */
function byTag(lines: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    const [tag = '', ...parameters] = line.toUpperCase().split(/ +/);
    if (!found.has(tag)) found.set(tag, parameters);
  }
  return found;
}

function bound(parameters: string[] | undefined): Bound | null {
  const [number = '', user] = parameters ?? [];
  const value = number === 'NEVER' ? Number.POSITIVE_INFINITY : NUMBER.test(number) ? Number(number) : null;
  return value === null ? null : { value, varies: user === 'USER' };
}

/** Nothing can be said where one mailstore says nothing; else the shortest time, which all keep. */
function commonExpire(bounds: readonly (Bound | null)[]): Bound | null {
  const said = bounds.filter((each) => each !== null);
  if (said.length === 0 || said.length < bounds.length) return null;
  return { value: Math.min(...said.map(({ value }) => value)), varies: varies(said) };
}

/** The longest delay, which is enough everywhere: a mailstore that says nothing has none. */
function commonDelay(bounds: readonly (Bound | null)[]): Bound | null {
  const delays = bounds.map((each) => (each === null || !Number.isFinite(each.value) ? NO_DELAY : each));
  const value = Math.max(0, ...delays.map((each) => each.value));
  return value === 0 ? null : { value, varies: varies(delays) };
}

const NO_DELAY: Bound = { value: 0, varies: false };

function varies(bounds: readonly Bound[]): boolean {
  return bounds.some((each) => each.varies || each.value !== bounds[0]!.value);
}

function said({ value, varies }: Bound): string {
  return `${Number.isFinite(value) ? value : 'NEVER'}${varies ? ' USER' : ''}`;
}
