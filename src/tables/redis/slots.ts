import type { Address, Argument, Command, Reply } from './link.ts';

/** Where keys are in a Cluster (Redis Cluster specification, "Key distribution model"). Pure. */

export const SLOTS = 16_384;

/** A run of slots and who serves it. */
export type SlotRange = { from: number; to: number; master: Address; replicas: Address[] };

/** The slot of a key: of what stands in its first pair of braces, where that is not empty. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS;
}

/** CRC-16/XMODEM: polynomial 0x1021, begun with 0. */
function crc16(octets: string): number {
  let crc = 0;
  for (let i = 0; i < octets.length; i++) {
    crc ^= octets.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

/** Commands that any node answers. */
const KEYLESS = new Set(['PING', 'INFO', 'PUBLISH', 'CLUSTER', 'ECHO', 'TIME', 'DBSIZE', 'SCRIPT']);
/** Where the first key stands, where it is not the first argument. */
const KEY_AT: Record<string, number> = { EVAL: 2, EVALSHA: 2, MEMORY: 1, OBJECT: 1 };

/** The slot that a command is about; null where any node will do. */
export function slotOfCommand([name, ...args]: Command): number | null {
  if (KEYLESS.has(name)) return null;
  const key = args[KEY_AT[name] ?? 0];
  return key === undefined ? null : slotOf(octetString(key));
}

function octetString(argument: Argument): string {
  return typeof argument === 'object' ? argument.toString('latin1') : String(argument);
}

/** What CLUSTER SLOTS says. @param asked for a node that does not know its own address. */
export function slotRanges(reply: Reply, asked: Address): SlotRange[] {
  return (reply as Reply[]).map((range) => {
    const [from, to, ...nodes] = range as [number, number, ...Reply[]];
    const [master, ...replicas] = nodes.map((node) => addressOf(node as Reply[], asked));
    return { from, to, master: master ?? asked, replicas };
  });
}

function addressOf([host, port]: Reply[], asked: Address): Address {
  const name = host === null || host === undefined ? '' : String(host);
  return { host: name === '' || name === '?' ? asked.host : name, port: Number(port) };
}

/** The node that `MOVED 3999 host:port` and `ASK …` name; null for any other text. */
export function redirection(said: string, asked: Address): { kind: 'MOVED' | 'ASK'; to: Address } | null {
  const match = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(said);
  if (match === null) return null;
  const [, kind, host, port] = match;
  // An empty host is the one that was asked.
  return { kind: kind as 'MOVED' | 'ASK', to: { host: host || asked.host, port: Number(port) } };
}
