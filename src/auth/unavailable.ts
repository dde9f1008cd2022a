import type { Soon } from '../tables/teapop/soon.ts';
import { TablesUnavailable } from '../tables/teapop/store.ts';
import type { UnavailableReason } from './authenticator.ts';

/** A login that cannot be decided: nobody's wrong password. */
export type Unavailable = { result: 'unavailable'; reason: UnavailableReason };

export function unavailable(reason: UnavailableReason): Unavailable {
  return { result: 'unavailable', reason };
}

type OnError = (error: Error) => void;

/** What is asked, or why it has no answer. Never throws or rejects. @param onError told what the operator must mend */
export function orUnavailable<Question, Answer>(
  onError: OnError,
  ask: (question: Question) => Soon<Answer>,
  question: Question,
): Soon<Answer | Unavailable> {
  try {
    const answer = ask(question);
    return answer instanceof Promise ? orUnavailableLater(onError, answer) : answer;
  } catch (error) {
    return whyUnavailable(onError, error);
  }
}

async function orUnavailableLater<Answer>(onError: OnError, answer: Promise<Answer>) {
  try {
    return await answer;
  } catch (error) {
    return whyUnavailable(onError, error);
  }
}

function whyUnavailable(onError: OnError, error: unknown): Unavailable {
  if (error instanceof TablesUnavailable) return unavailable('tables-unavailable');
  onError(error instanceof Error ? error : new Error('login failed', { cause: error }));
  return unavailable('internal');
}
