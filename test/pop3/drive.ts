import { Authorization } from '../../src/pop3/authorization.ts';
import { authorizationPolicy, type ClearLogins, type PolicySettings } from '../../src/pop3/capability.ts';
import type { Credentials, ScramSalt } from '../../src/pop3/credentials.ts';
import type { Effect, LoginOutcome } from '../../src/pop3/effect.ts';

export const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
export const base64 = (octets: string): string => Buffer.from(octets, 'latin1').toString('base64');

export const SETTINGS: PolicySettings = {
  banner: 'teapop ready',
  capabilities: ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING'],
  implementation: null,
  methods: ['USER', 'PLAIN', 'LOGIN'],
  stls: true,
  loginAttempts: 3,
  badCommands: 5,
};

export type Setting = {
  settings?: Partial<PolicySettings>;
  tls?: boolean;
  plaintextAllowed?: boolean;
  /** Over `plaintextAllowed`. */
  clearLogins?: ClearLogins;
  /** The answer to a login; null leaves it open. By default every login is rejected. */
  verdict?: (credentials: Credentials) => LoginOutcome | null;
  /** The answer to `ask`: a salt, or how the login came out without one; null leaves it open. */
  salt?: (user: string) => ScramSalt | LoginOutcome | null;
  /** How a login that was proved goes on. */
  proceeds?: LoginOutcome;
};

export const SALTED: ScramSalt = { salt: 'salt', iterations: 4096 };

export const ACCEPTED: LoginOutcome = {
  result: 'accepted',
  reply: latin1('+OK maildrop of the upstream\r\n'),
};
export const REJECTED: LoginOutcome = { result: 'rejected' };

/** A machine with somebody who runs its effects and writes them down, one string each. */
export class Driver {
  readonly machine: Authorization;
  readonly effects: Effect[] = [];
  readonly transcript: string[] = [];
  readonly logins: Credentials[] = [];
  readonly #setting: Setting;
  #unique = 0;

  constructor(setting: Setting = {}) {
    this.#setting = setting;
    const clearLogins = setting.clearLogins ?? ((setting.plaintextAllowed ?? true) ? 'any' : 'none');
    this.machine = new Authorization(
      authorizationPolicy({ ...SETTINGS, ...setting.settings }),
      { tls: setting.tls ?? false, clearLogins },
      () => `unique${++this.#unique}`,
    );
  }

  /** Feeds one segment, then overwrites it: the machine may have kept nothing of it. */
  feed(segment: string | Uint8Array): this {
    const octets = Buffer.from(typeof segment === 'string' ? latin1(segment) : segment);
    if (this.effects.at(-1)?.do === 'relay') {
      // The session's relay carries on where the machine left off.
      this.transcript.push(this.transcript.pop() + text(octets));
      return this;
    }
    this.machine.receive(octets);
    this.run();
    this.machine.keep();
    octets.fill(0x51);
    return this;
  }

  run(): this {
    for (let effect = this.machine.next(); effect !== null; effect = this.machine.next()) {
      this.effects.push(effect);
      this.transcript.push(spell(effect));
      if (effect.do === 'ask') this.#answer(effect.user);
      if (effect.do === 'authenticate') this.#authenticate(effect.credentials);
      if (effect.do === 'proceed') this.machine.settle(this.#setting.proceeds ?? ACCEPTED);
    }
    return this;
  }

  #authenticate(credentials: Credentials): void {
    this.logins.push(credentials);
    const { verdict = () => REJECTED } = this.#setting;
    const outcome = verdict(credentials);
    if (outcome !== null) this.machine.settle(outcome);
  }

  #answer(user: string): void {
    const { salt = () => SALTED } = this.#setting;
    const answer = salt(user);
    if (answer === null) return;
    if ('result' in answer) this.machine.settle(answer);
    else this.machine.told(answer);
  }
}

function spell(effect: Effect): string {
  switch (effect.do) {
    case 'reply':
      return text(effect.octets);
    case 'authenticate':
      return `authenticate ${JSON.stringify(Object.values(effect.credentials))}`;
    case 'ask':
      return `ask ${effect.user}`;
    case 'proceed':
      return 'proceed';
    case 'relay':
      return `relay ${text(effect.unread)}`;
    case 'close':
      return `close ${effect.reason}`;
    case 'startTls':
      return 'startTls';
  }
}

/** The ways in which one input may arrive: whole, octet by octet, cut at each third place. */
export function segmentations(input: string): string[][] {
  const thirds: string[] = [];
  for (let at = 0; at < input.length; at += 3) thirds.push(input.slice(at, at + 3));
  return [[input], [...input], thirds];
}

/** What comes of an input, which must be the same however it is cut. */
export function converse(input: string, setting: Setting = {}): string[] {
  const transcripts = segmentations(input).map((segments) => {
    const driver = new Driver(setting);
    for (const segment of segments) driver.feed(segment);
    return driver.transcript;
  });
  for (const transcript of transcripts) {
    if (JSON.stringify(transcript) !== JSON.stringify(transcripts[0])) {
      throw new Error(`cut differently: ${JSON.stringify(transcripts)}`);
    }
  }
  return transcripts[0]!;
}
