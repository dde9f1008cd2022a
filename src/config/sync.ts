import { duration, optionalSection, share } from './fields.ts';

export const sync = optionalSection(
  {
    max_loss: share(
      '20%',
      'A sync that would lose more of the published users, or of the domains, is refused unless forced.',
    ),
    settle: duration(
      '500ms',
      '50ms',
      '1m',
      'How long a changed file must stay as it is before `sync --watch` reads it.',
    ),
    resync: duration(
      '5m',
      '1s',
      '24h',
      'How often `sync --watch` reads all files though it has seen no change.',
    ),
  },
  'How `teapop-proxy sync` publishes the files to Redis.',
);
