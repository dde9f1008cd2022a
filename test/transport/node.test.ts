import { nodeTransport } from '../../src/transport/node.ts';
import { conformance } from './conformance.ts';

conformance(nodeTransport);
