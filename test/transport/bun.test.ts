/** Bun's sockets are there under Bun alone: the name keeps this file out of what Node's runner looks for. */
import { bunTransport } from '../../src/transport/bun.ts';
import { conformance } from './conformance.ts';

conformance(bunTransport);
