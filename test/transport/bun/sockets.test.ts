/** Bun's sockets are there under Bun alone: this folder is left out of what Node's runner gets. */
import { bunTransport } from '../../../src/transport/bun.ts';
import { conformance } from '../conformance.ts';

// Node would wait for each test's end in vain.
if (process.versions.bun === undefined)
  throw new Error('these are tests of Bun’s sockets: run them with `bun test`');

conformance(bunTransport);
