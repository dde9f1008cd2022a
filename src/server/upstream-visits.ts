import type { Finding } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import { DeadlineWheel } from '../proxy/deadlines.ts';
import type { DialogueServices } from '../proxy/dialogue.ts';
import { Inquiry } from '../proxy/inquiry.ts';
import { Resolver } from '../proxy/resolver.ts';
import type { UpstreamServer } from '../proxy/upstream.ts';
import type { Transport } from '../transport/transport.ts';
import { atMost } from './at-most.ts';
import { judgeAnswer, type ServerAnswer } from './upstream-advice.ts';
import { loadUpstreams, serversOf } from './upstreams.ts';

/** How long the slowest mailstore may take to close after QUIT. */
const FAREWELL_MS = 1000;

export type VisitReport = {
  /** One for each server, in the order of the config. */
  lines: string[];
  findings: Finding[];
};

type Visit = { answer: ServerAnswer; address: string | null; left: Promise<void> };

/**
 * Goes to each server of each upstream as a login does, TLS and PROXY header included, asks for its capabilities and
 * takes its leave: all at once, each under its upstream's `timeout`. No login is tried.
 */
export async function visitUpstreams(
  config: Config,
  secrets: Secrets,
  transport: Transport,
): Promise<VisitReport> {
  const password = (name: string) => secrets.upstream(name);
  const pools = await loadUpstreams(config, transport, password, { down() {}, up() {} }, '');
  const services: DialogueServices = { transport, wheel: new DeadlineWheel(), resolver: new Resolver() };
  const visits = pools.flatMap((pool, index) =>
    serversOf(pool).map(async (server, nth) => ({ server, index, nth, ...(await visit(server, services)) })),
  );
  const visited = await Promise.all(visits);
  await atMost(
    FAREWELL_MS,
    Promise.all(visited.map(({ left }) => left)).then(() => {}),
  );
  services.wheel.stop();
  return {
    lines: visited.map(({ server, address, answer }) => lineOf(server, address, answer)),
    findings: visited.flatMap(({ index, nth, answer }) =>
      judgeAnswer(config.upstreams[index]!, index, nth, answer),
    ),
  };
}

function visit(server: UpstreamServer, services: DialogueServices): Promise<Visit> {
  return new Promise((resolve) => {
    let goes: () => void = () => {};
    const left = new Promise<void>((done) => {
      goes = done;
    });
    const inquiry = new Inquiry(server, services, {
      answered: (capabilities) => {
        const { address, offersXclient } = inquiry;
        resolve({ answer: { ok: true, offersXclient, capabilities }, address, left });
      },
      failed: (failure, detail) => {
        goes();
        resolve({ answer: { ok: false, failure, detail }, address: inquiry.address, left });
      },
      left: () => goes(),
    });
  });
}

function lineOf(
  { upstream, name, host, port }: UpstreamServer,
  address: string | null,
  answer: ServerAnswer,
) {
  const who = name === upstream.name ? `upstream ${name}` : `upstream ${upstream.name}, server ${name}`;
  const where = `${address ?? host} port ${port}`;
  return `${who} (${where}): ${answer.ok ? 'reachable' : answer.failure}`;
}
