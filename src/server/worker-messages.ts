import { z } from 'zod';

/** What a primary and its workers tell each other. Nothing that does not look like it is believed. */

const bound = z.object({ name: z.string(), address: z.string(), port: z.int().min(0).max(65535) });

const toWorker = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    /** The config as the primary has read it: a worker started later has the same one. */
    file: z.string(),
    text: z.string(),
    /** From 0. */
    index: z.int().min(0),
    sockets: z.enum(['auto', 'node']),
    /** Where to listen. */
    bound: z.array(bound),
    /** Base64, of which the keys of TLS tickets come; null where there is a file for it, or none is to be had. */
    ticketSecret: z.string().nullable(),
    /** The word of all greetings, by which the proxy knows a connection that leads back to it. */
    own: z.string(),
  }),
  z.object({ type: z.enum(['reload', 'drain', 'abort']) }),
  z.object({ type: z.literal('metrics'), id: z.int() }),
]);

const family = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram']),
  aggregator: z.enum(['sum', 'min', 'max', 'first']),
  values: z.array(
    z.object({
      value: z.number(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
      metricName: z.string().optional(),
    }),
  ),
});

const toPrimary = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening') }),
  /** It could not start, and ends. */
  z.object({ type: z.literal('failed'), detail: z.string() }),
  /** Each second: why it would rather have no logins; empty when it is ready. */
  z.object({ type: z.literal('state'), unready: z.array(z.string()) }),
  /** The answer to the question of this id, or the last before it ends, which has 0. */
  z.object({ type: z.literal('metrics'), id: z.int(), families: z.array(family) }),
]);

export type ToWorker = z.output<typeof toWorker>;
export type ToPrimary = z.output<typeof toPrimary>;
export type StartMessage = Extract<ToWorker, { type: 'start' }>;

/** Null for anything else. */
export function parseToWorker(message: unknown): ToWorker | null {
  return toWorker.safeParse(message).data ?? null;
}

export function parseToPrimary(message: unknown): ToPrimary | null {
  return toPrimary.safeParse(message).data ?? null;
}
