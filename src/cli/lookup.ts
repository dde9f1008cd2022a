import { isIP } from 'node:net';
import type { Question, Verdict } from '../auth/explain.ts';
import type { LoadedConfig } from '../config/load.ts';
import { upstreamOfDomain } from '../config/routing.ts';
import type { Config, UpstreamConfig } from '../config/schema.ts';
import type { ServerConfig } from '../config/upstream.ts';
import { serverFor } from '../server/upstreams.ts';
import { CONFIG_OPTION, readWords } from './arguments.ts';
import { readConfig } from './config.ts';
import { type CommandIo, EXIT } from './io.ts';
import { lookupJson } from './lookup-json.ts';
import { localUserOf, lookupText } from './lookup-text.ts';
import { lookAt, type SourceName, type Views } from './lookup-views.ts';
import { octetsOf } from './text.ts';

export const USAGE = `usage: teapop-proxy lookup [--local-address ADDRESS] [--password-stdin] [--files | --redis]
                           [--json] [--config FILE] USER@DOMAIN

Walks the decision of a login and says each step, from Redis and from the files, and whether the two agree. With
tables.source: files there are the files alone. Shows no password and no hash.

  --local-address ADDRESS  what the client connected to, for entries that are for one address; without it that of the
                           listeners where they have one, else only entries for any address match
  --password-stdin         read a password, one line, and say whether it is accepted and by which row
  --files, --redis         ask one of the two alone
  --json                   print one JSON document instead

Names are taken as the log shows them: \\xNN is one octet, \\\\ a backslash.

Exit status:
  0  the login would be accepted; without a password: whoever has the right one is let in
  1  it would be refused
  2  wrong usage or config
  3  the tables that decide cannot be asked
  4  the files and Redis differ
`;

/** Exit statuses beyond those of every command. */
const UNAVAILABLE = 3;
const DIFFERENT = 4;

const OPTIONS = {
  ...CONFIG_OPTION,
  'local-address': { type: 'string' },
  'password-stdin': { type: 'boolean', default: false },
  files: { type: 'boolean', default: false },
  redis: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** What was asked and all that was found out. */
export type Examination = Views & {
  question: Question;
  dividers: string;
  /** Of the source that decides; null where it cannot be asked. */
  verdict: Verdict | null;
  /** Null where nobody is sent to one. */
  upstream: UpstreamConfig | null;
  /** The one of its servers that the login meets; null where that is not known. */
  server: ServerConfig | null;
  /** The one that the user's rows name, and that the upstream does not have; an octet string, null for none. */
  unknownServer: string | null;
};

/** The command `lookup`. */
export async function lookup(argv: string[], io: CommandIo): Promise<number> {
  const values = readWords(argv, OPTIONS, 1, USAGE, io);
  if (typeof values === 'number') return values;
  const address = values['local-address'] ?? null;
  const wrong =
    values.files && values.redis ? '--files and --redis do not go together' : wrongAddress(address);
  if (wrong !== null) {
    io.err(`${wrong}\n${USAGE}`);
    return EXIT.usage;
  }
  const loaded = readConfig(values.config, io);
  if (loaded === null) return EXIT.usage;
  const password = values['password-stdin'] ? await readLine(io) : null;
  const localAddress = address ?? usualAddress(loaded.config);
  const question = { user: octetsOf(values.words[0]!), password, localAddress };
  try {
    const examination = await examine(loaded, question, sourcesFor(values, loaded.config));
    io.out(values.json ? lookupJson(examination) : lookupText(examination));
    return statusOf(examination);
  } catch (error) {
    io.err(`lookup: ${(error as Error).message}\n`);
    return EXIT.usage;
  }
}

function wrongAddress(address: string | null): string | null {
  return address === null || isIP(address) !== 0 ? null : `'${address}' is no IP address`;
}

/** The one that decides logins first. */
function sourcesFor(asked: { files: boolean; redis: boolean }, { tables }: Config): SourceName[] {
  if (asked.files || asked.redis) return [asked.files ? 'files' : 'redis'];
  return tables.source === 'redis' ? ['redis', 'files'] : ['files'];
}

/** '' where listeners have several addresses, or one stands for all. */
function usualAddress({ listeners }: Config): string {
  const [address, ...others] = new Set(listeners.map((listener) => listener.address));
  return others.length > 0 || address === undefined || address === '::' || address === '0.0.0.0'
    ? ''
    : address;
}

async function examine(
  loaded: LoadedConfig,
  question: Question,
  sources: readonly SourceName[],
): Promise<Examination> {
  const { config } = loaded;
  const views = await lookAt(loaded, question, sources);
  const first = views.views[0]!;
  const explanation = 'explanation' in first ? first.explanation : null;
  const verdict = explanation?.verdict ?? null;
  const isLetIn = verdict?.result === 'accepted' || verdict?.result === 'found';
  const domain = explanation?.entry?.domain;
  const upstream = isLetIn && domain !== undefined ? upstreamOfDomain(config, domain) : null;
  const named = [...new Set(explanation?.rows.map((row) => row.server))];
  const server = upstream && serverFor(upstream, localUserOf(verdict), named);
  const unknownServer = upstream !== null && server === null && named.length === 1 ? named[0]! : null;
  return { ...views, question, dividers: config.tables.dividers, verdict, upstream, server, unknownServer };
}

function statusOf({ verdict, agreement }: Examination): number {
  if (verdict === null || (verdict.result === 'unavailable' && verdict.reason === 'tables-unavailable')) {
    return UNAVAILABLE;
  }
  if (agreement !== null && agreement.differences.length > 0) return DIFFERENT;
  return verdict.result === 'accepted' || verdict.result === 'found' ? EXIT.ok : EXIT.failed;
}

/** More than any login can send; see RESPONSE_LIMIT in pop3/sasl.ts. */
const LONGEST_LINE = 64 * 1024;

/** The first line of the input as an octet string, without its line end. */
async function readLine({ input }: CommandIo): Promise<string> {
  let text = '';
  for await (const chunk of input?.() ?? []) {
    text += Buffer.from(chunk).toString('latin1');
    if (text.includes('\n') || text.length > LONGEST_LINE) break;
  }
  const [line = ''] = text.split('\n');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
