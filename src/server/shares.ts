import type { Config } from '../config/schema.ts';
import type { Bound } from './server.ts';

/**
 * The config as one of several workers has it: its share of what is a bound for the whole proxy, the ports that all of
 * them listen on, and no admin listener, which is the primary's.
 * @param index from 0
 */
export function shareOf(config: Config, index: number, bound: readonly Bound[]): Config {
  const { workers, limits, passwords, tables, upstreams } = config;
  const share = (whole: number) => Math.floor(whole / workers) + (index < whole % workers ? 1 : 0);
  const portOf = (name: string) => bound.find((each) => each.name === name)?.port;
  return {
    ...config,
    workers: 1,
    listeners: config.listeners.map((listener) => ({
      ...listener,
      port: portOf(listener.name) ?? listener.port,
    })),
    admin: null,
    limits: { ...limits, connections: Math.max(1, share(limits.connections)) },
    passwords: {
      ...passwords,
      concurrency: Math.max(1, share(passwords.concurrency)),
      queue: share(passwords.queue),
    },
    upstreams: upstreams.map((upstream) => ({
      ...upstream,
      preconnect: Math.max(Math.min(1, upstream.preconnect), share(upstream.preconnect)),
    })),
    // Each keeps its own: one file has one writer.
    tables: { ...tables, snapshot: tables.snapshot && snapshotOf(tables.snapshot, index) },
  };
}

/** The first one's is the one that a proxy of one process has. */
function snapshotOf(path: string, index: number): string {
  return index === 0 ? path : `${path}.${index + 1}`;
}
