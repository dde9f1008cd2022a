import type { z } from 'zod';
import { type Finding, MOST_ERRORS, type Path, touches } from './problem.ts';
import { homesOf, nearest, settingsAt } from './suggestions.ts';

type Issue = z.core.$ZodIssue;

/** What the schema has against the values, in words for the operator. One slip makes one finding. */
export function explain(issues: readonly Issue[]): Explained[] {
  const findings = issues.flatMap((issue) => explainOne(issue, issue.path as Path));
  const misspelt = new Set(
    findings.flatMap((finding) => (finding.meant === undefined ? [] : [pathKey(finding.meant)])),
  );
  return findings.filter((finding) => {
    if (finding.missing === true) return !misspelt.has(pathKey(finding.path));
    // What a section lacks as a whole follows from what is wrong inside it.
    return !findings.some(
      (other) => other.path.length > finding.path.length && touches(other.path, finding.path),
    );
  });
}

export type Explained = Finding & {
  /** A setting that must be given was not. */
  missing?: boolean;
  /** For an unknown setting: the one that was meant. */
  meant?: Path;
};

function pathKey(path: Path): string {
  return JSON.stringify(path);
}

function explainOne(issue: Issue, path: Path): Explained[] {
  const wrong = (message: string, hint: string | null, more: Partial<Explained> = {}): Explained => {
    return { severity: 'error', path, message, hint, ...more };
  };
  const [message, hint = null] = issue.message.split('\n') as [string, string?];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MOST_ERRORS).map((key) => unknownSetting([...path, key]));
    case 'invalid_union':
      return unionFindings(issue, path, wrong(message, hint));
    case 'invalid_key': {
      const [inner, innerHint = null] = (issue.issues[0]?.message ?? message).split('\n') as [
        string,
        string?,
      ];
      return [wrong(inner, innerHint, { at: 'key', quote: 'no' })];
    }
    case 'invalid_value':
      return [
        issue.input === undefined ? missing(path, message, hint) : wrong(message, didYouMean(issue) ?? hint),
      ];
    default:
      return [
        issue.input === undefined && issue.code === 'invalid_type'
          ? missing(path, message, hint)
          : wrong(message, hint),
      ];
  }
}

function missing(path: Path, message: string, hint: string | null): Explained {
  const expected = hint === null ? message : `${message}: ${hint}`;
  return { severity: 'error', path, message: 'is missing', hint: expected, missing: true };
}

function didYouMean(issue: { input?: unknown; values: readonly unknown[] }): string | null {
  const meant = nearest(String(issue.input), issue.values.map(String));
  return meant === null ? null : `did you mean ${meant}?`;
}

type UnionIssue = Extract<Issue, { code: 'invalid_union' }>;

/** A value of several forms: the form that it has, if it has one, tells what is wrong inside. */
function unionFindings(issue: UnionIssue, path: Path, whole: Explained): Explained[] {
  if (issue.input === undefined) return [missing(path, whole.message, whole.hint)];
  const formsMet = issue.errors.filter((errors) => !errors.some(isOtherForm));
  if (formsMet.length === 1)
    return formsMet[0]!.flatMap((inner) => explainOne(inner, [...path, ...(inner.path as Path)]));
  const values = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : []));
  return [{ ...whole, hint: didYouMean({ input: issue.input, values }) ?? whole.hint }];
}

function isOtherForm(inner: Issue): boolean {
  return inner.path.length === 0 && (inner.code === 'invalid_type' || inner.code === 'invalid_value');
}

/** Keys under which people write a secret itself. */
const SECRET_KEY = /^(sentinel_)?(?:pass(?:word|phrase|wd)?|secret|token)$/i;

function unknownSetting(path: Path): Explained {
  const key = String(path.at(-1));
  const section = path.slice(0, -1);
  const known = settingsAt(section);
  const finding: Explained = {
    severity: 'error',
    path,
    message: 'unknown setting',
    hint: null,
    at: 'key',
    quote: 'hide',
  };
  const secret = SECRET_KEY.exec(key);
  const whose = secret?.[1] ?? '';
  if (secret !== null && known.includes(`${whose}password_file`)) {
    const hint = `write ${whose}password_file with the path of a file, or ${whose}password_env with the name of a variable`;
    return { ...finding, message: 'secrets come from a file or from the environment, not from here', hint };
  }
  const meant = nearest(key, known);
  if (meant !== null) return { ...finding, hint: `did you mean ${meant}?`, meant: [...section, meant] };
  const homes = homesOf(key);
  if (homes.length > 0) return { ...finding, hint: `it belongs elsewhere: ${homes.slice(0, 3).join(', ')}` };
  return { ...finding, hint: known.length === 0 ? null : `known here: ${known.join(', ')}` };
}
