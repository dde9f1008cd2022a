import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

/** How long a test waits for what should come at once. */
const PATIENCE_MS = 30_000;

/** The client's own certificate. */
export type Identity = { cert?: string; key?: string };

/**
 * A client that shows every octet: sends what it is told, hands out lines, keeps what it got. Octet strings.
 */
export class Pop3Client {
  socket: Socket | TLSSocket;
  /** Everything received in this leg (before or after STLS), as an octet string. */
  received = '';
  ended = false;
  closed = false;
  error: Error | null = null;
  #read = 0;
  #wake: () => void = () => {};

  constructor(socket: Socket | TLSSocket) {
    this.socket = socket;
    this.#listen(socket);
  }

  /** @param localAddress of those that this host has, where it matters from which the client comes */
  static async connect(port: number, host = '127.0.0.1', localAddress?: string): Promise<Pop3Client> {
    const from = localAddress === undefined ? {} : { localAddress };
    const socket = connectTcp({ port, host, ...from, allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Pop3Client(socket);
  }

  static async connectTls(
    port: number,
    ca: string,
    servername = 'localhost',
    own: Identity = {},
  ): Promise<Pop3Client> {
    const socket = connectTls({ port, host: '127.0.0.1', ca, servername, ALPNProtocols: ['pop3'], ...own });
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return new Pop3Client(socket);
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  /** Half-close. */
  end(): void {
    this.socket.end();
  }

  /** Closes with a reset where the platform has it. A side that was ended can be reset no more: Node would leave it open. */
  reset(): void {
    const { socket } = this;
    const resettable = 'resetAndDestroy' in socket && !('encrypted' in socket) && !socket.writableEnded;
    if (resettable) socket.resetAndDestroy();
    else socket.destroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The next line, without its CRLF. Rejects where the connection ends first or nothing comes. */
  async line(): Promise<string> {
    await this.#until(() => this.received.includes('\r\n', this.#read), 'a line');
    const end = this.received.indexOf('\r\n', this.#read);
    const line = this.received.slice(this.#read, end);
    this.#read = end + 2;
    return line;
  }

  /** The lines of a multi-line reply behind its first, without the dot. */
  async multiLine(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== '.'; line = await this.line()) lines.push(line);
    return lines;
  }

  /** Sends a command and gives the first line of its reply. */
  async ask(command: string): Promise<string> {
    this.send(`${command}\r\n`);
    return this.line();
  }

  /** All octets until the peer closes its sending side, from where `line` has read to. */
  async rest(): Promise<string> {
    await this.#until(() => this.ended || this.closed, 'the end');
    const rest = this.received.slice(this.#read);
    this.#read = this.received.length;
    return rest;
  }

  /** Resolves when the connection is gone; closes its own side first if the peer has ended. */
  async gone(): Promise<void> {
    await this.#until(() => this.ended || this.closed, 'the end');
    this.socket.end();
    await this.#until(() => this.closed, 'the close');
  }

  /** After a +OK to STLS: the handshake, on the same connection. */
  async startTls(ca: string, servername = 'localhost', own: Identity = {}): Promise<void> {
    const plain = this.socket;
    plain.removeAllListeners();
    const secure = connectTls({ socket: plain, ca, servername, ALPNProtocols: ['pop3'], ...own });
    await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
    this.socket = secure;
    this.received = '';
    this.#read = 0;
    this.#listen(secure);
  }

  #listen(socket: Socket | TLSSocket): void {
    socket.on('data', (octets: Buffer) => {
      this.received += octets.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (this.closed)
        throw new Error(`connection closed before ${what}; got ${JSON.stringify(this.received)}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${what} in time; got ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
