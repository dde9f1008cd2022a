import type { Config } from '../config/schema.ts';
import type { Limits } from '../proxy/listener.ts';
import type { KeepAlive } from '../transport/transport.ts';

/** Bounds for clients, as sessions have them. */
export function limitsOf({ limits }: Config): Limits {
  return {
    loginMs: limits.loginTime,
    lineMs: limits.lineTime,
    handshakeMs: limits.handshakeTime,
    sessionIdleMs: limits.sessionIdle,
    connections: limits.connections,
  };
}

/** The config has milliseconds, the system takes whole seconds. */
export function keepAliveOf({ keepalive }: Config): KeepAlive | null {
  if (keepalive === null) return null;
  const seconds = (ms: number) => Math.round(ms / 1000);
  return {
    idle: seconds(keepalive.idle),
    interval: seconds(keepalive.interval),
    count: keepalive.count,
    userTimeout: seconds(keepalive.userTimeout),
  };
}
