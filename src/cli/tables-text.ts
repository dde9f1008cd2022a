import type { Config } from '../config/schema.ts';
import { printableOctets } from '../ops/printable.ts';
import type { ServerFacts, Survey } from '../tables/inspect/survey.ts';
import { shownDiagnostic } from './sync-report.ts';
import { ago, columns, shownTime } from './text.ts';

/** What is published, for people. */
export function tablesText(survey: Survey, { redis }: Config): string {
  const { generation, publishedAt, domains, entries, users, rows, tables, memory, upgraded } = survey;
  const perRow = memory.perRow === null ? '' : `, ${Math.round(memory.perRow)} octets a row`;
  const { server, diagnostics } = survey;
  const facts = columns([
    ['published', `generation ${generation}, ${shownTime(publishedAt)} (${ago(publishedAt)})`],
    ['domains', `${domains} with ${entries} entries, ${octets(memory.domains)}`],
    ['users', `${users} with ${rows} rows in ${tables} password tables, ${octets(memory.tables)}${perRow}`],
    ['upgraded', `${upgraded} users with a better hash, made by use`],
    ['keys', `${redis.prefix}:{…}`],
    ['Redis', `${serversOf(redis)}${server === null ? '' : `: ${serverText(server)}`}`],
  ]);
  if (diagnostics === null) return `${facts}\nThe last sync left no word about the files.\n`;
  const { at, errors, warnings, kept } = diagnostics;
  const more = errors + warnings - kept.length;
  return [
    facts,
    `Of the files, as found ${ago(at)}: ${errors} errors, ${warnings} warnings`,
    ...kept.map((each) => shownDiagnostic({ ...each, file: printableOctets(each.file) })),
    ...(more > 0 ? [`and ${more} more, which sync tells`] : []),
    '',
  ].join('\n');
}

/** The same for programs: one JSON document. */
export function tablesJson(survey: Survey, { redis }: Config): string {
  const { memory, diagnostics, server, publishedAt, ...counts } = survey;
  const document = {
    ...counts,
    published_at: new Date(publishedAt).toISOString(),
    age_seconds: Math.max(0, Math.round((Date.now() - publishedAt) / 1000)),
    memory: { domains: memory.domains, tables: memory.tables, per_row: memory.perRow },
    prefix: redis.prefix,
    redis: {
      topology: topologyOf(redis),
      server: server && {
        ...{ version: server.version, mode: server.mode, role: server.role, replicas: server.replicas },
        ...{ used_memory: server.usedMemory, max_memory: server.maxMemory },
        eviction_policy: server.evictionPolicy,
      },
    },
    diagnostics: diagnostics && {
      ...{ at: new Date(diagnostics.at).toISOString(), generation: diagnostics.generation },
      ...{ errors: diagnostics.errors, warnings: diagnostics.warnings },
      kept: diagnostics.kept.map((each) => ({ ...each, file: printableOctets(each.file) })),
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function topologyOf({ cluster, sentinels }: Config['redis']): 'single' | 'sentinel' | 'cluster' {
  if (cluster !== null) return 'cluster';
  return sentinels === null ? 'single' : 'sentinel';
}

function serversOf(redis: Config['redis']): string {
  const { host, port, sentinels, master, cluster } = redis;
  const shown = (some: readonly { host: string; port: number }[]) =>
    some.map((one) => `${one.host} port ${one.port}`).join(', ');
  if (cluster !== null) return `Cluster that ${shown(cluster)} belong to`;
  if (sentinels !== null) return `${master} of the Sentinels at ${shown(sentinels)}`;
  return `one server, ${host} port ${port}`;
}

function serverText(server: ServerFacts): string {
  const { version, role, replicas, usedMemory, maxMemory, evictionPolicy } = server;
  const limit = maxMemory === 0 ? 'no limit' : `of ${octets(maxMemory)}`;
  // What is evicted is missing to a login: [SYS/TEMP] until the next sync.
  const danger =
    maxMemory > 0 && evictionPolicy !== 'noeviction' ? `; ${evictionPolicy} MAY EVICT TABLES` : '';
  const copies = replicas === 1 ? '1 replica' : `${replicas} replicas`;
  return `version ${version}, ${role} with ${copies}, ${octets(usedMemory)} in use, ${limit}${danger}`;
}

const UNITS = ['octets', 'KiB', 'MiB', 'GiB', 'TiB'];

function octets(count: number): string {
  const power = count < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(count) / 10));
  return `${power === 0 ? count : (count / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}
