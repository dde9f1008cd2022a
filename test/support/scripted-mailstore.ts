import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What a scripted mailstore does with one connection: everything that no real server can be made to do. */
export type Script = (connection: ScriptedConnection) => Promise<void> | void;

/** The mailstore's side of a connection. Octet strings. */
export class ScriptedConnection {
  readonly socket: Socket;
  /** Its place among all connections, from 1. */
  readonly number: number;
  /** Everything that the proxy has sent. */
  received = '';
  /** The same as it came: a write of the proxy's each, as long as they are small and answered one by one. */
  readonly segments: string[] = [];
  ended = false;
  closed = false;
  #read = 0;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, number: number) {
    this.socket = socket;
    this.number = number;
    socket.setNoDelay(true);
    socket.on('data', (octets: Buffer) => {
      this.received += octets.toString('latin1');
      this.segments.push(octets.toString('latin1'));
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  end(): void {
    this.socket.end();
  }

  /** A side that was ended can be reset no more: Node would leave it open for ever. */
  reset(): void {
    if (this.socket.writableEnded) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** The next line from the proxy without its CRLF; null when the connection ends first. */
  async line(): Promise<string | null> {
    await this.until(() => this.received.includes('\r\n', this.#read) || this.ended || this.closed);
    const end = this.received.indexOf('\r\n', this.#read);
    if (end === -1) return null;
    const line = this.received.slice(this.#read, end);
    this.#read = end + 2;
    return line;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Answers USER and PASS with +OK. */
  async logIn(): Promise<void> {
    this.send('+OK ready\r\n');
    await this.line();
    this.send('+OK\r\n');
    await this.line();
    this.send('+OK logged in\r\n');
  }
}

export type ScriptedMailstore = {
  port: number;
  connections: ScriptedConnection[];
  close(): Promise<void>;
};

/** @param port 0 lets the system choose */
export async function startScriptedMailstore(script: Script, port = 0): Promise<ScriptedMailstore> {
  const connections: ScriptedConnection[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new ScriptedConnection(socket, connections.length + 1);
    connections.push(connection);
    void script(connection);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    async close() {
      for (const { socket } of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
