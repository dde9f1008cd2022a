import type { Account, Timings } from '../auth/authenticator.ts';
import type { Credentials } from '../pop3/credentials.ts';
import type { NoticeResult } from '../pop3/xclient.ts';
import type { OpenTimes } from './opening.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';

/** What is known of a login while it runs and after; read by the session's report. No password outlives the login in it. */
export type LoginFacts = {
  user: string;
  /** As whom the client asked to act; '' for itself. */
  authzid: string;
  mechanism: Credentials['mechanism'];
  timings: Timings;
  account: Account | null;
  upstream: Upstream | null;
  /** That was asked last. */
  server: UpstreamServer | null;
  opened: (OpenTimes & { address: string | null; failed: boolean; notice: NoticeResult }) | null;
};

type Stated = Pick<Credentials, 'user' | 'authzid' | 'mechanism'>;

export function newFacts({ user, authzid, mechanism }: Stated): LoginFacts {
  return {
    user,
    authzid,
    mechanism,
    timings: { lookup: 0, verify: 0 },
    account: null,
    upstream: null,
    server: null,
    opened: null,
  };
}
