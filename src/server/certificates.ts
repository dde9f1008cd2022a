import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config, ListenerConfig } from '../config/schema.ts';
import { LEAST_TICKET_SECRET } from '../config/tls-checks.ts';
import type { Certificate, ServerTls, Transport } from '../transport/transport.ts';

/** The ALPN name of POP3 (RFC 7301's registry). */
const ALPN = ['pop3'];

/**
 * The TLS contexts of the listeners. `load` reads every file anew and switches all of them at once; handshakes
 * begun before keep what they began with, and where nothing has changed or anything cannot be used, everything stays
 * as it was.
 */
export class ListenerCertificates {
  readonly #config: Config;
  readonly #transport: Transport;
  readonly #secret: Uint8Array | null;
  #contexts = new Map<string, ServerTls>();
  /** Tells what the contexts were made of. */
  #digest = '';

  /** @param secret for tickets where no file holds one; null for the process's own */
  constructor(config: Config, transport: Transport, secret: Uint8Array | null = null) {
    this.#secret = secret;
    this.#config = config;
    this.#transport = transport;
  }

  /** Rejects with an Error that names the file. */
  async load(): Promise<void> {
    const listeners = this.#config.listeners.filter((listener) => listener.tls !== 'off');
    const [first, ...others] = await Promise.all(this.#config.tls.certificates.map(read));
    if (first === undefined) return;
    const secret = (await ticketSecret(this.#config.tls.ticketSecretFile)) ?? this.#secret;
    const clientCas = await Promise.all(listeners.map(clientCaOf));
    // New contexts would end the sessions of which clients hold tickets, where these are the context's own (Bun).
    const digest = digestOf([first, ...others, clientCas, secret && Buffer.from(secret).toString('hex')]);
    if (digest === this.#digest) return;
    const contexts = listeners.map((listener, index) => {
      const clientCa = clientCas[index]!;
      return [listener.name, this.#context(listener, [first, ...others], clientCa, secret)] as const;
    });
    this.#contexts = new Map(contexts);
    this.#digest = digest;
  }

  /** The context in use now. */
  of(listener: string): ServerTls {
    const context = this.#contexts.get(listener);
    if (context === undefined) throw new Error(`listener ${listener} has no certificate`);
    return context;
  }

  #context(
    listener: ListenerConfig,
    certificates: [Certificate, ...Certificate[]],
    clientCa: string | null,
    secret: Uint8Array | null,
  ): ServerTls {
    try {
      return this.#transport.serverTls({
        certificates,
        minVersion: listener.minTls,
        ciphers: listener.ciphers,
        cipherPreference: listener.cipherPreference,
        alpn: ALPN,
        clientCa,
        sessions: { lifetime: Math.floor(this.#config.tls.sessionLifetime / 1000), secret },
      });
    } catch (error) {
      // The transport knows of certificates by their numbers alone; the operator looks for files.
      const files = this.#config.tls.certificates.map(({ certificate }) => certificate);
      throw new Error(`listener ${listener.name}: ${(error as Error).message} (of ${files.join(', ')})`);
    }
  }
}

async function clientCaOf({ clientCertificates }: ListenerConfig): Promise<string | null> {
  return clientCertificates === null ? null : readFile(clientCertificates.caFile, 'utf8');
}

function digestOf(values: unknown): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

async function ticketSecret(file: string | null): Promise<Uint8Array | null> {
  if (file === null) return null;
  const secret = await readFile(file);
  if (secret.length < LEAST_TICKET_SECRET)
    throw new Error(`${file} has fewer than ${LEAST_TICKET_SECRET} octets`);
  return secret;
}

async function read(files: { certificate: string; key: string }): Promise<Certificate> {
  const [certificate, key] = await Promise.all([
    readFile(files.certificate, 'utf8'),
    readFile(files.key, 'utf8'),
  ]);
  return { certificate, key };
}
