/** What the drivers of mail clients have in common. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from './process.ts';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';

export const MODES = ['plain', 'stls', 'tls'] as const;
export type Mode = (typeof MODES)[number];

export type FetchOptions = {
  /** Default 127.0.0.1. */
  host?: string;
  port: number;
  /** ASCII: it travels through command lines and configuration files. */
  user: string;
  password: string;
  mode: Mode;
  /** PEM file of the authority to trust; without it any certificate is taken. */
  caFile?: string;
  /**
   * AUTH with this mechanism, or with the one of CAPA that the client likes best. By default USER and PASS, but curl
   * always chooses.
   */
  auth?: 'plain' | 'login' | 'apop' | 'cram-md5' | 'scram-sha-256' | 'external' | 'best';
  /** As whom to act; curl can ask for it. */
  authzid?: string;
  /** The client's own certificate; curl and mpop show one. */
  certificate?: { certificateFile: string; keyFile: string };
  /** Remove what was fetched. curl cannot in the same session. */
  remove?: boolean;
  /** Milliseconds. */
  timeout?: number;
};

export type Fetched = {
  /** The client's exit code: 0 where all went well. fetchmail has 1 for an empty maildrop. */
  code: number | null;
  /** In the order of their numbers; their octets as RETR carried them, without dot-stuffing and end mark. */
  messages: Buffer[];
  /** What the client wrote, for the message of a failed test. */
  output: string;
};

export type Client = (options: FetchOptions) => Promise<Fetched>;

export const LOOPBACK = '127.0.0.1';
/** In ms, for a whole run of a client. */
export const CLIENT_TIMEOUT = 30_000;

/** Throws for what a client does not know: besides USER and PASS it knows these alone. */
export function onlyKnown(client: string, { auth }: FetchOptions, ...known: FetchOptions['auth'][]): void {
  if (auth !== undefined && !known.includes(auth)) throw new Error(`${client} does not know ${auth}`);
}

export function withCarriageReturns(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replace(/\n/g, '\r\n'), 'latin1');
}

/** Runs a client that leaves its messages in the folder `mail`, one a file, named so that numbers tell the order. */
export async function inFolder(
  client: string,
  fetchInto: (folder: TemporaryFolder) => Promise<Outcome>,
  restore: (message: Buffer) => Buffer = (message) => message,
): Promise<Fetched> {
  const folder = temporaryFolder(client);
  try {
    const mail = join(folder.path, 'mail');
    mkdirSync(mail);
    const { code, output } = await fetchInto(folder);
    const names = readdirSync(mail).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return { code, output, messages: names.map((name) => restore(readFileSync(join(mail, name)))) };
  } finally {
    folder.remove();
  }
}

/** A shell script that puts what it reads into the folder `mail`, in a file named by the next number. */
export function savingScript(folder: TemporaryFolder): string {
  return folder.file(
    'save.sh',
    `cd '${folder.path}/mail' && cat >"$(ls | wc -l | awk '{ print $1 + 1 }')"\n`,
  );
}
