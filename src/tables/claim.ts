import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { RedisLink } from './redis-client.ts';

/** Thrown to the sync that comes second, or whose claim went to another while it stood still. */
export class ClaimLost extends Error {
  override name = 'ClaimLost';
}

/** A sync that died keeps the next one out for at most this long, in ms. */
const CLAIM_LASTS = 30_000;
/** Three tries fit in before it lapses. */
const RENEW_EVERY = CLAIM_LASTS / 3;

/** The right of one sync at a time to publish under a prefix. It lapses unless it is renewed. */
export class Claim {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #token: string;
  readonly #timer: NodeJS.Timeout;
  #lost = false;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(link: RedisLink, key: string, token: string) {
    this.#link = link;
    this.#key = key;
    this.#token = token;
    this.#timer = setInterval(() => {
      this.#renewing = this.#renew();
    }, RENEW_EVERY);
  }

  /** @throws ClaimLost while another sync holds it */
  static async take(link: RedisLink, key: string): Promise<Claim> {
    // The host and process are for the operator who meets it, the random part makes it one's own.
    const token = `${hostname()} process ${process.pid} ${randomBytes(8).toString('hex')}`;
    const taken = await link.command('SET', key, token, 'NX', 'PX', CLAIM_LASTS);
    if (taken !== null) return new Claim(link, key, token);
    const holder = (await link.command('GET', key)) as Buffer | null;
    const [who = 'another host'] = holder?.toString('latin1').split(/ [0-9a-f]+$/) ?? [];
    throw new ClaimLost(
      `another sync is at work (${who}); if it was killed, its claim lapses within ${CLAIM_LASTS / 1000} s`,
    );
  }

  /** Random octets in hex that no other sync has. */
  get nonce(): string {
    return this.#token.slice(this.#token.lastIndexOf(' ') + 1);
  }

  /** @throws ClaimLost once a renewal came too late */
  check(): void {
    if (this.#lost) throw new ClaimLost('another sync has taken over while this one stood still');
  }

  /**
   * From here on an EXEC fails if the claim changes hands; it is renewed no more.
   * @throws ClaimLost
   */
  async watch(): Promise<void> {
    clearInterval(this.#timer);
    // One that is still under way would count as a change of the watched key.
    await this.#renewing;
    await this.#link.command('WATCH', this.#key);
    if (!(await this.#isOwn())) this.#lost = true;
    this.check();
  }

  /** For the transaction that ends the sync: gives the claim back with it. */
  get releasing(): readonly [string, string] {
    return ['DEL', this.#key];
  }

  /** Gives the claim back where it still is one's own. */
  async release(): Promise<void> {
    await this.watch();
    await this.#link.transaction([this.releasing]);
  }

  /** Stops renewing it. */
  abandon(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    try {
      if (await this.#isOwn()) await this.#link.command('PEXPIRE', this.#key, CLAIM_LASTS);
      else this.#lost = true;
    } catch {
      // Redis is away for now; whether the claim outlived that is seen at the next renewal or at the switch.
    }
  }

  async #isOwn(): Promise<boolean> {
    const holder = (await this.#link.command('GET', this.#key)) as Buffer | null;
    return holder?.toString('latin1') === this.#token;
  }
}
