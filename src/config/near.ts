import { duration, integer, optionalSection, path, size } from './fields.ts';

/** Tables in Redis as a proxy remembers them, with and without Redis. */
export const nearness = {
  near: optionalSection(
    {
      rows: integer(0, 10_000_000)
        .default(100_000)
        .describe(
          'Rows of domains and users kept in memory; of more, those used longest ago go. 0 keeps none.',
        ),
      memory: size('64MiB', '1MiB', '64GiB', 'Memory that they take, roughly; whichever bound is met first.'),
      unknown: integer(0, 1_000_000)
        .default(10_000)
        .describe('Unknown users and domains remembered besides, for a flood of made-up names.'),
      trust: duration(
        '1s',
        '100ms',
        '1h',
        'How long rows in memory are believed after the last answer of Redis; later on each login asks Redis.',
      ),
    },
    'What a proxy keeps in memory of tables in Redis.',
  ),
  max_stale: duration(
    '24h',
    '0s',
    '30d',
    'With Redis gone: how long rows from memory or from the snapshot are served.',
  ),
  snapshot: path()
    .nullable()
    .default(null)
    .describe(
      'File for a copy of the published tables, so that a proxy can start and serve everybody without Redis; null ' +
        'for none. Each proxy needs its own.',
    ),
  snapshot_every: duration('5m', '1s', '24h', 'Least time between two copies.'),
};
