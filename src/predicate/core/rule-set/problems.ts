import type { RuleSetProblem } from "../rule-set.ts";
import type { Member } from "../types.ts";

/** What is wrong by a change. What was wrong before, as a rule of an older version of Concord may be, must not keep people from changing the rest. */
export function newProblems(
  before: readonly RuleSetProblem[],
  after: readonly RuleSetProblem[],
  added: readonly Member[],
): readonly RuleSetProblem[] {
  const known = new Set(before.map(wordsOf));
  const touched = new Set(added.map(nameOf));
  return after.filter((problem) => touched.has(nameOf(problem)) || !known.has(wordsOf(problem)));
}

const nameOf = ({ kind, name, version }: Pick<RuleSetProblem, "kind" | "name" | "version"> | Member): string =>
  `${kind} ${version} ${name}`;

const wordsOf = (problem: RuleSetProblem): string => `${nameOf(problem)} ${problem.field} ${problem.error.message}`;
