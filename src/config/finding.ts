import type { Finding, Path } from './problem.ts';

/** @param restsOn other settings that the judgement rests on */
export function wrong(path: Path, message: string, hint: string, restsOn: readonly Path[] = []): Finding {
  return { severity: 'error', path, message, hint, restsOn };
}

export function doubtful(path: Path, message: string, hint: string, restsOn: readonly Path[] = []): Finding {
  return { severity: 'warning', path, message, hint, restsOn };
}

/** A finding for each name that stands before it in the list already. */
export function doubled(names: readonly string[], list: string): Finding[] {
  return names.flatMap((name, index) => {
    const first = names.indexOf(name);
    if (first === index) return [];
    const hint = `${list}[${first}] has it already; names tell them apart in logs and metrics`;
    return [wrong([list, index, 'name'], 'a name given twice', hint, [[list, first, 'name']])];
  });
}

/** For messages that name the file already. */
export function withoutQuote(finding: Finding): Finding {
  return { ...finding, quote: 'no' };
}
