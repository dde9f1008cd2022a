import { explain } from './explain.ts';
import { type Finding, type Path, touches } from './problem.ts';
import { crossChecks } from './rules.ts';
import { type Config, configSchema } from './schema.ts';

/**
 * Values that stand in for a setting that must be given and is not, so that what lies between the others can
 * be checked all the same. Nothing that rests on one of them is ever reported.
 */
const STAND_INS: Record<string, unknown> = {
  name: 'nameless',
  host: 'nowhere.invalid',
  port: 0,
  certificate: '/nowhere',
  key: '/nowhere',
  ca_file: '/nowhere',
  user: 'nobody',
  from: ['192.0.2.0/24'],
  listeners: [{}],
  upstreams: [{}],
};

/** Takes out what is wrong, gives what then is missing: a list, its entry, the entry's settings; and some to spare. */
const REPAIRS = 6;

type Checked = { config: Config | null; findings: Finding[] };

/** Checks plain values against the schema and across settings; finds all that is wrong in one go. */
export function validate(value: unknown): Checked {
  const copy = structuredClone(value);
  const findings: Finding[] = [];
  const suspect: Path[] = [];
  for (let round = 0; round <= REPAIRS; round += 1) {
    const parsed = configSchema.safeParse(copy, { reportInput: true });
    if (parsed.success) {
      const crossed = crossChecks(parsed.data).filter((finding) => isCertain(finding, suspect));
      return { config: round === 0 ? parsed.data : null, findings: [...findings, ...crossed] };
    }
    const explained = explain(parsed.error.issues);
    findings.push(...explained.filter((finding) => round === 0 || isCertain(finding, suspect)));
    for (const { path, meant } of explained) suspect.push(path, meant ?? path);
    for (const { path } of explained) mend(copy, path);
  }
  return { config: null, findings };
}

/** A judgement is passed only where nothing that it rests on is wrong itself. */
function isCertain(finding: Finding, suspect: readonly Path[]): boolean {
  const grounds = [finding.path, ...(finding.restsOn ?? [])];
  return !grounds.some((path) => suspect.some((other) => touches(path, other)));
}

function mend(root: unknown, path: Path): void {
  const last = path.at(-1);
  const around = path.slice(0, -1);
  const holder = around.reduce((value: unknown, step) => (isHolder(value) ? value[step] : undefined), root);
  if (last === undefined || !isHolder(holder)) return;
  if (!Array.isArray(holder)) {
    if (Object.hasOwn(holder, last)) delete holder[last];
    else if (Object.hasOwn(STAND_INS, last)) holder[last] = structuredClone(STAND_INS[last]);
  } else if (isHolder(holder[Number(last)])) {
    mend(root, around);
  } else {
    // An entry keeps its place, so that the paths of those behind it stay right.
    holder[Number(last)] = {};
  }
}

function isHolder(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
