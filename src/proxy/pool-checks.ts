import { Deadline } from './deadlines.ts';
import type { DialogueServices } from './dialogue.ts';
import { ServerCheck } from './server-check.ts';
import type { ServerReport } from './server-report.ts';
import type { ServerMember, UpstreamPool } from './upstream-pool.ts';

export type CheckServices = DialogueServices & { servers: Pick<ServerReport, 'checked'> };

type Checked = { readonly member: ServerMember; readonly due: Deadline; check: ServerCheck | null };

/**
 * The checks of an upstream's servers: at the start, again and again while a server is up, soon where it has failed,
 * and in growing intervals while it is down. None where the upstream has none.
 */
export class PoolChecks {
  readonly #pool: UpstreamPool;
  readonly #services: CheckServices;
  readonly #checked: readonly Checked[];
  readonly #everyMs: number | null;

  constructor(pool: UpstreamPool, services: CheckServices) {
    this.#pool = pool;
    this.#services = services;
    this.#everyMs = pool.health.checkMs;
    this.#checked = pool.members.map((member) => {
      const checked: Checked = { member, check: null, due: new Deadline(() => this.#check(checked)) };
      return checked;
    });
  }

  start(): void {
    if (this.#everyMs === null) return;
    // Logins have found it down: the next check is when the first trial is due, not when it would have been.
    this.#pool.onDown = (member) => this.#wentDown(member);
    for (const checked of this.#checked) this.#check(checked);
  }

  stop(): void {
    this.#pool.onDown = null;
    for (const { due, check } of this.#checked) {
      this.#services.wheel.clear(due);
      check?.cancel();
    }
  }

  #check(checked: Checked): void {
    const { member } = checked;
    checked.check = new ServerCheck(member.server, this.#services, (outcome) => {
      checked.check = null;
      this.#services.servers.checked(member.server, outcome.ok);
      this.#pool.ended(member, 'check', outcome);
      this.#arm(checked);
    });
  }

  #wentDown(member: ServerMember): void {
    const checked = this.#checked.find((each) => each.member === member);
    if (checked !== undefined && checked.check === null) this.#arm(checked);
  }

  #arm({ member, due }: Checked): void {
    const { up, doubted, retryAt } = member.health;
    const { retryMs } = this.#pool.health;
    const soonMs = doubted ? Math.min(retryMs, this.#everyMs!) : this.#everyMs!;
    this.#services.wheel.set(due, up ? soonMs : Math.max(0, retryAt - performance.now()));
  }
}
