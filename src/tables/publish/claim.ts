import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type RedisLink, script } from '../redis/link.ts';

/** Thrown to the sync that comes second, or whose claim went to another while it stood still. */
export class ClaimLost extends Error {
  override name = 'ClaimLost';
}

/** A sync that died keeps the next one out for at most this long, in ms. */
const CLAIM_LASTS = 30_000;
/** Three tries fit in before it lapses. */
const RENEW_EVERY = CLAIM_LASTS / 3;

/** KEYS: the claim. ARGV: whose it has to be, ms. */
const RENEW = script(
  "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
);
const RELEASE = script(
  "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])",
);

/** The right of one sync at a time to publish under a prefix. It lapses unless it is renewed. */
export class Claim {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #token: string;
  readonly #timer: NodeJS.Timeout;
  /** From here on it is known to have lasted. */
  #heldFrom: number;
  #lost = false;

  private constructor(link: RedisLink, key: string, token: string, heldFrom: number) {
    this.#link = link;
    this.#key = key;
    this.#token = token;
    this.#heldFrom = heldFrom;
    this.#timer = setInterval(() => void this.#renew(), RENEW_EVERY);
  }

  /** @throws ClaimLost while another sync holds it */
  static async take(link: RedisLink, key: string): Promise<Claim> {
    // The host and process are for the operator who meets it, the random part makes it one's own.
    const token = `${hostname()} process ${process.pid} ${randomBytes(8).toString('hex')}`;
    const asked = performance.now();
    const taken = await link.command('SET', key, token, 'NX', 'PX', CLAIM_LASTS);
    if (taken !== null) return new Claim(link, key, token, asked);
    const holder = (await link.command('GET', key)) as Buffer | null;
    const [who = 'another host'] = holder?.toString('latin1').split(/ [0-9a-f]+$/) ?? [];
    throw new ClaimLost(
      `another sync is at work (${who}); if it was killed, its claim lapses within ${CLAIM_LASTS / 1000} s`,
    );
  }

  /** What its key holds while it is one's own. */
  get token(): string {
    return this.#token;
  }

  /** Random octets in hex that no other sync has. */
  get nonce(): string {
    return this.#token.slice(this.#token.lastIndexOf(' ') + 1);
  }

  /** Costs nothing. @throws ClaimLost once a renewal came too late, or is overdue: we may have stood still */
  check(): void {
    if (!this.#lost && performance.now() - this.#heldFrom < CLAIM_LASTS) return;
    throw new ClaimLost('another sync has taken over while this one stood still');
  }

  /** Asks Redis. Rejects with ClaimLost, or TablesUnavailable. */
  async confirm(): Promise<void> {
    const asked = performance.now();
    const [held] = await this.#link.evaluate(RENEW, [
      { keys: [this.#key], args: [this.#token, CLAIM_LASTS] },
    ]);
    if (held === 1) this.#heldFrom = asked;
    else this.#lost = true;
    this.check();
  }

  /** Gives the claim back where it still is one's own. */
  async release(): Promise<void> {
    this.abandon();
    await this.#link.evaluate(RELEASE, [{ keys: [this.#key], args: [this.#token] }]);
  }

  /** Stops renewing it. */
  abandon(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    try {
      await this.confirm();
    } catch {
      // Lost for good is told by check(). Otherwise Redis is away, and whether the claim outlived that shows later.
    }
  }
}
