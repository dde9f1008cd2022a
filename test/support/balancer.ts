import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Balancer = { port: number; close(): Promise<void> };

/**
 * A load balancer that puts octets of the test's choice in front of each connection. One that waits sends them
 * together with the client's first, in one segment, as balancers do that look at a ClientHello before they choose.
 */
export async function startBalancer(to: number, header: Uint8Array, waits: boolean): Promise<Balancer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const proxy = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    sockets.push(client, proxy);
    for (const socket of [client, proxy]) socket.on('error', () => {}).on('close', () => destroyBoth());
    const destroyBoth = () => {
      client.destroy();
      proxy.destroy();
    };
    const begin = (first: Uint8Array) => {
      proxy.write(Buffer.concat([header, first]));
      client.pipe(proxy);
    };
    proxy.pipe(client);
    if (waits) client.once('data', begin);
    else begin(new Uint8Array(0));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
