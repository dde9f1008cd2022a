/** A worker for primary.test.ts, which does what no real one can be told to do. What, is in the file named in its environment. */
import { readFileSync } from 'node:fs';

type Script = {
  /** Of the number of the worker, from 0: what it does when it is told to start. */
  start: 'listen' | 'fail' | 'die' | 'garbage';
  /** Says that it is there only once. */
  silent?: boolean;
  /** Says no more what it has counted than so often. */
  answers?: number;
  ignoresDrain?: boolean;
};

const FAMILY = { name: 'served_total', help: 'h', type: 'counter', aggregator: 'sum' };

const scripts = () => JSON.parse(readFileSync(process.env.SCRIPTED_WORKERS!, 'utf8')) as Script[];
const tell = (message: unknown) => process.send!(message);
let script: Script;
let answered = 0;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (message: { type: string; index: number; id: number }) => {
  if (message.type === 'start') start(message.index);
  if (message.type === 'metrics' && script.silent !== true && answered++ < (script.answers ?? Infinity))
    tell({ type: 'metrics', id: message.id, families: [{ ...FAMILY, values: [{ value: 10, labels: {} }] }] });
  if (message.type === 'drain' && script.ignoresDrain !== true) process.exit(0);
});

function start(index: number): void {
  script = scripts()[index]!;
  switch (script.start) {
    case 'fail':
      process.send!({ type: 'failed', detail: 'no certificate' }, () => process.exit(1));
      break;
    case 'die':
      process.exit(3);
      break;
    case 'garbage':
      for (const message of [null, 7, 'listening', { type: 'metrics', families: 'x' }, { type: 'quit' }])
        tell(message);
      listen();
      break;
    case 'listen':
      listen();
      break;
  }
}

function listen(): void {
  tell({ type: 'listening' });
  const state = () => tell({ type: 'state', unready: [] });
  state();
  if (script.silent !== true) setInterval(state, 20);
}
