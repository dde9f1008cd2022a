import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/**
 * The admin listener: health for load balancers, metrics for Prometheus. It shows names of listeners and
 * upstreams and asks for no password, so it belongs on the loopback or a management network.
 */
export type AdminOptions = {
  /** IP address to bind. */
  address: string;
  /** 0 lets the system choose. */
  port: number;
  /** Why no login should be sent here, a line each; empty when the proxy is ready. */
  readiness(): string[];
  metrics: { text(): Promise<string>; readonly contentType: string };
  /** Milliseconds for a request to arrive in; default 5,000. */
  timeout?: number;
};

export type Admin = {
  readonly address: string;
  readonly port: number;
  /** Stops at once, with the requests that are under way. Resolves when the port is free. */
  close(): Promise<void>;
};

/** A scraper or a load balancer sends its few lines at once; whoever takes longer is not one. */
const REQUEST_TIMEOUT_MS = 5_000;

/** How often the runtime looks for requests past their time. */
const CHECK_INTERVAL_MS = 1_000;

/** Some scrapers and balancers and an operator with curl; more is a flood. */
const MOST_CONNECTIONS = 64;

const TEXT = 'text/plain; charset=utf-8';

const INDEX = `teapop-proxy

/livez    200 while the process answers
/readyz   200 while logins can be served, else 503 and the reasons
/metrics  for Prometheus
`;

type Answer = { status: number; type: string; body: string };

/** Rejects with the system's error (EADDRINUSE, EACCES …). */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { timeout = REQUEST_TIMEOUT_MS } = options;
  const server = createServer(
    {
      headersTimeout: timeout,
      requestTimeout: timeout,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    (request, response) => {
      respond(request, response, options).catch(() => response.destroy());
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  // A broken request is answered by closing; nothing that a stranger sends may end the process.
  server.on('clientError', (_error, socket) => socket.destroy());
  await listen(server, options);
  const bound = server.address() as { address: string; port: number };
  return { address: bound.address, port: bound.port, close: () => close(server) };
}

function listen(server: Server, { address, port }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // In this order: Bun 1.4 forgets its connections in `close`, and closes none of them afterwards.
    server.closeAllConnections();
    server.close(() => resolve());
  });
}

async function respond(request: IncomingMessage, response: ServerResponse, options: AdminOptions) {
  const { status, type, body } = await answer(request, options);
  // One request a connection: none is left idle to hold up the end or to be reused by mistake after it.
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    Connection: 'close',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answer(request: IncomingMessage, options: AdminOptions): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'method not allowed\n');
  try {
    return await page(request.url ?? '', options);
  } catch {
    return text(500, 'internal error\n');
  }
}

async function page(url: string, { readiness, metrics }: AdminOptions): Promise<Answer> {
  switch (url.split('?', 1)[0]) {
    case '/':
      return text(200, INDEX);
    case '/livez':
      return text(200, 'alive\n');
    case '/readyz': {
      const reasons = readiness();
      return reasons.length === 0 ? text(200, 'ready\n') : text(503, `${reasons.join('\n')}\n`);
    }
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    default:
      return text(404, 'not found\n');
  }
}

function text(status: number, body: string): Answer {
  return { status, type: TEXT, body };
}
