import type { Config, ListenerConfig } from '../config/schema.ts';
import type { Endpoint } from '../proxy/listener.ts';
import { keepAliveOf } from './limits.ts';

/** Where a listener listens, and how its connections are shared with the other workers, where there are any. */
export function endpointOf(listener: ListenerConfig, config: Config, isWorker: boolean): Endpoint {
  const { address, port, spread } = listener;
  const keepAlive = keepAliveOf(config);
  return {
    ...{ address, port, reusePort: isWorker },
    ...(isWorker && spread === 'clients' ? { spreadOver: config.workers } : {}),
    ...(keepAlive === null ? {} : { keepAlive }),
  };
}
