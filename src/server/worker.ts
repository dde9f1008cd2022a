import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { type Environment, loadSecrets, type Secrets } from '../config/secrets.ts';
import { createLog, type Log } from '../ops/log.ts';
import type { Transport } from '../transport/transport.ts';
import { Server } from './server.ts';
import { shareOf } from './shares.ts';
import { parseToWorker, type StartMessage, type ToPrimary, type ToWorker } from './worker-messages.ts';

/** What a worker has of its primary. */
export type Channel = {
  /** Resolves when it is on its way, or cannot be. */
  send(message: ToPrimary): Promise<void>;
  /** What comes from the primary, whatever it is. */
  receive(listener: (message: unknown) => void): void;
  /** The primary is gone. */
  lost(listener: () => void): void;
};

export type WorkerServices = {
  channel: Channel;
  environment: Environment;
  transport(sockets: StartMessage['sockets']): Promise<Transport>;
};

/** How often the primary is told that this worker is there, and how it is. */
const STATE_MS = 1_000;

/** One of several processes of a proxy. Resolves with its exit code when it has stopped: 0, or 1 where it could not start. */
export async function runWorker({ channel, environment, transport }: WorkerServices): Promise<number> {
  const inbox = new Inbox(channel);
  const start = await inbox.start;
  let log: Log | null = null;
  // Large tables take longer to read than a primary waits for a silent worker.
  const starting = setInterval(() => void channel.send({ type: 'state', unready: ['starting'] }), STATE_MS);
  try {
    const { config, secrets } = load(start, environment);
    log = workerLog(config, start.index);
    const ticketSecret = start.ticketSecret === null ? null : Buffer.from(start.ticketSecret, 'base64');
    const server = await Server.start({
      ...{ config, secrets, log, transport: await transport(start.sockets) },
      ...{ isWorker: true, ticketSecret, own: start.own },
    });
    clearInterval(starting);
    await channel.send({ type: 'listening' });
    await serve(server, inbox, channel);
    return 0;
  } catch (error) {
    clearInterval(starting);
    await channel.send({ type: 'failed', detail: (error as Error).message });
    await log?.flush();
    return 1;
  }
}

function load(start: StartMessage, environment: Environment): { config: Config; secrets: Secrets } {
  const parsed = parseConfig(start.text, start.file);
  if ('errors' in parsed) throw new Error(`${start.file}: ${parsed.errors[0]!.message}`);
  const { secrets, findings } = loadSecrets(parsed.config, environment);
  const wrong = findings.find(({ severity }) => severity !== 'warning');
  if (wrong !== undefined) throw new Error(`${wrong.path.join('.')}: ${wrong.message}`);
  return { config: shareOf(parsed.config, start.index, start.bound), secrets };
}

/** The primary says where they listen, and the first worker what is so for all of them. */
function workerLog(config: Config, index: number): Log {
  const log = createLog({ ...config.log, worker: index + 1 });
  process.on('exit', () => log.flushNow());
  const untold = new Set(
    index === 0 ? ['listening'] : ['listening', 'table-diagnostic', 'tickets-not-shared'],
  );
  return {
    session: (record) => log.session(record),
    event(level, event, fields) {
      if (!untold.has(event)) log.event(level, event, fields);
    },
    flush: () => log.flush(),
    flushNow: () => log.flushNow(),
    get dropped() {
      return log.dropped;
    },
  };
}

/** Until it is told to drain, or nobody is there to tell. */
async function serve(server: Server, inbox: Inbox, channel: Channel): Promise<void> {
  const tellState = () => void channel.send({ type: 'state', unready: server.unready() });
  tellState();
  const telling = setInterval(tellState, STATE_MS);
  const tellMetrics = async (id: number) => {
    const families = (await server.metrics.snapshot()).map((family) => ({
      ...family,
      values: family.values.map((value) => ({ ...value })),
    }));
    await channel.send({ type: 'metrics', id, families });
  };
  await new Promise<void>((resolve, reject) => {
    let stopping = false;
    inbox.listen((message) => {
      switch (message.type) {
        case 'reload':
          void server.reload();
          break;
        case 'metrics':
          void tellMetrics(message.id);
          break;
        case 'drain':
          if (!stopping) server.stop().then(resolve, reject);
          stopping = true;
          tellState();
          break;
        case 'abort':
          server.abort();
          break;
      }
    });
  });
  clearInterval(telling);
  await tellMetrics(0);
}

type Order = Exclude<ToWorker, StartMessage>;

/** Keeps what comes before anybody listens. A primary that is gone cannot say that it drains, and is taken to. */
class Inbox {
  readonly start: Promise<StartMessage>;
  #waiting: Order[] = [];
  #listener: ((order: Order) => void) | null = null;

  constructor(channel: Channel) {
    this.start = new Promise((resolve) => {
      channel.receive((message) => {
        const order = parseToWorker(message);
        if (order?.type === 'start') resolve(order);
        else if (order !== null) this.#take(order);
      });
    });
    channel.lost(() => this.#take({ type: 'drain' }));
  }

  listen(listener: (order: Order) => void): void {
    this.#listener = listener;
    for (const order of this.#waiting.splice(0)) listener(order);
  }

  #take(order: Order): void {
    if (this.#listener === null) this.#waiting.push(order);
    else this.#listener(order);
  }
}
