import { readFile } from 'node:fs/promises';
import type { Config, ListenerConfig } from '../config/schema.ts';
import type { Certificate, ServerTls, Transport } from '../transport/transport.ts';

/** The ALPN name of POP3 (RFC 7301's registry). */
const ALPN = ['pop3'];

/**
 * The TLS contexts of the listeners. `load` reads every file anew and switches all of them at once; handshakes
 * begun before keep what they began with, and where anything cannot be used, everything stays as it was.
 */
export class ListenerCertificates {
  readonly #config: Config;
  readonly #transport: Transport;
  #contexts = new Map<string, ServerTls>();

  constructor(config: Config, transport: Transport) {
    this.#config = config;
    this.#transport = transport;
  }

  /** Rejects with an Error that names the file. */
  async load(): Promise<void> {
    const listeners = this.#config.listeners.filter((listener) => listener.tls !== 'off');
    const [first, ...others] = await Promise.all(this.#config.tls.certificates.map(read));
    if (first === undefined) return;
    const clientCas = await Promise.all(listeners.map(clientCaOf));
    const contexts = listeners.map((listener, index) => {
      const clientCa = clientCas[index]!;
      return [listener.name, this.#context(listener, [first, ...others], clientCa)] as const;
    });
    this.#contexts = new Map(contexts);
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
  ): ServerTls {
    try {
      return this.#transport.serverTls({
        certificates,
        minVersion: listener.minTls,
        ciphers: listener.ciphers,
        alpn: ALPN,
        clientCa,
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

async function read(files: { certificate: string; key: string }): Promise<Certificate> {
  const [certificate, key] = await Promise.all([
    readFile(files.certificate, 'utf8'),
    readFile(files.key, 'utf8'),
  ]);
  return { certificate, key };
}
