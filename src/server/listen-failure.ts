/** Why a system would not let us listen, by its error code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use',
  EADDRNOTAVAIL: 'this host does not have the address',
  EACCES: 'ports below 1024 need the capability CAP_NET_BIND_SERVICE',
};

/**
 * The runtimes word it each in their own way, and not all of them name the port.
 * @param who the part of the config that names the endpoint
 */
export function cannotListen(
  who: string,
  endpoint: { address: string; port: number },
  error: unknown,
): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const { address, port } = endpoint;
  return new Error(`${who}: cannot listen on ${address} port ${port}: ${REASONS[code ?? ''] ?? message}`);
}
