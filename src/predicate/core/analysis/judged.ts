import type { Expression } from "../evaluate.ts";
import type { RuleMove, RuleOperation } from "../types.ts";
import { always, both, type Cases, casesOf, either, failing, type Work } from "./cases.ts";
import { formulaOf } from "./formula.ts";
import type { Move } from "./term.ts";

/** A rule as far as the analysis looks at it. */
export type AnalysedRule = {
  readonly id: string;
  readonly operations: readonly RuleOperation[];
  /** Empty: every move. */
  readonly moves: readonly RuleMove[];
  /** Names of workflow types. Empty: every workflow. */
  readonly types: readonly string[];
  readonly condition: Expression | undefined;
  readonly expression: Expression;
  readonly action: "DENY" | "WARN" | "AUDIT";
};

/** What a rule says of a move. Each may have cases too many, never too few. */
export type Judged = {
  /** Its condition is met. */
  readonly applies: Cases;
  /** Its condition is met, and it holds. */
  readonly holds: Cases;
  /** It does not forbid the move. */
  readonly permits: Cases;
  /** It forbids the move. A condition that fails forbids, or does not apply: it counts as either. */
  readonly denies: Cases;
};

/** Conditions joined, of one rule and one move: some milliseconds. Ordinary rules need less than a hundred. */
const conditionsOfRuleMax = 5_000;

export function judgedOf({ condition, expression }: AnalysedRule, move: Move): Judged {
  const work: Work = { left: conditionsOfRuleMax };
  const formula = formulaOf(expression.expr, move);
  const [holds, denies] = [casesOf(formula, "true", work), casesOf(formula, "not true", work)];
  if (condition === undefined) return { applies: always, holds, permits: holds, denies };
  const when = formulaOf(condition.expr, move);
  const applies = casesOf(when, "true", work);
  return {
    applies,
    holds: both(applies, holds, work),
    permits: either(casesOf(when, "not true", work), both(applies, holds, work)),
    denies: either(both(applies, denies, work), failing(when, work)),
  };
}
