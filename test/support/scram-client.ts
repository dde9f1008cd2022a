/** SCRAM-SHA-256 as a client speaks it, from RFC 5802 alone. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Pop3Client } from './pop3-client.ts';

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text, 'latin1').digest();
const base64 = (octets: string | Buffer) => Buffer.from(octets as string, 'latin1').toString('base64');

export type ScramResult = {
  salt: string;
  iterations: number;
  /** The last line of the login. */
  reply: string;
  /** True where the server has proved that it knows the password. */
  proved: boolean;
};

/** The server's first message; the exchange is open then. */
export async function scramFirst(client: Pop3Client, user: string, { gs2 = 'n,,' } = {}) {
  const nonce = randomBytes(12).toString('hex');
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  const line = await client.ask(`AUTH SCRAM-SHA-256 ${base64(gs2 + bare)}`);
  if (!line.startsWith('+ ')) return { line, bare, gs2, nonce: '', salt: '', iterations: 0, first: '' };
  const first = Buffer.from(line.slice(2), 'base64').toString('latin1');
  const [, serverNonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(first) ?? [];
  if (!serverNonce.startsWith(nonce) || serverNonce.length < nonce.length + 16) throw new Error(first);
  return { line, bare, gs2, nonce: serverNonce, salt, iterations: Number(iterations), first };
}

/** A whole login. @param password octet string */
export async function scramLogin(
  client: Pop3Client,
  user: string,
  password: string,
  options: { gs2?: string } = {},
): Promise<ScramResult> {
  const { line, bare, gs2, nonce, salt, iterations, first } = await scramFirst(client, user, options);
  if (first === '') return { salt, iterations, reply: line, proved: false };
  const octets = Buffer.from(password, 'latin1');
  const salted = pbkdf2Sync(octets, Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${base64(gs2)},r=${nonce}`;
  const message = `${bare},${first},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), message);
  const proof = Buffer.from(clientKey.map((octet, at) => octet ^ signature[at]!));
  const last = await client.ask(base64(`${withoutProof},p=${proof.toString('base64')}`));
  if (!last.startsWith('+ ')) return { salt, iterations, reply: last, proved: false };
  const expected = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`;
  const proved = Buffer.from(last.slice(2), 'base64').toString('latin1') === expected;
  return { salt, iterations, reply: await client.ask(''), proved };
}
