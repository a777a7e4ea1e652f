import { isCelError, plan } from "@bufbuild/cel";
import { type Purse, withinBudget } from "./budget.ts";
import type { ConstantPart } from "./check.ts";
import type { Problem } from "./enum-names.ts";
import { meteredEnv } from "./environment.ts";
import { failureText } from "./evaluate.ts";
import { children, type Expr, nodeCount } from "./expr.ts";

/**
 * Evaluates what has no variables, once it is lowered. What has a value is right, whatever was said of the types within, such as `false && 32`. What has none
 * would fail each time that it is evaluated.
 */
export function withoutConstants(
  problems: readonly Problem[],
  constants: readonly ConstantPart[],
  purse: Purse,
): readonly Problem[] {
  const outcomes = constants.map((part) => ({ part, outcome: outcomeOf(part.expr, purse) }));
  const excused = new Set(outcomes.flatMap(({ part, outcome }) => (outcome.type === "value" ? part.problems : [])));
  const failures = outcomes.flatMap(({ part, outcome }) =>
    outcome.type === "failure" && part.problems.length === 0 ? [outcome.problem] : [],
  );
  return [...problems.filter((problem) => !excused.has(problem)), ...failures];
}

type Outcome = { readonly type: "value" | "unknown" } | { readonly type: "failure"; readonly problem: Problem };

function outcomeOf(expr: Expr, purse: Purse): Outcome {
  const cost = nodeCount(expr);
  if (cost > purse.left) return { type: "unknown" };
  const run = plan(meteredEnv, expr);
  const ended = withinBudget(purse, cost, () => run({}));
  if (!ended.ok) return { type: "unknown" };
  const { value } = ended;
  if (!isCelError(value)) return { type: "value" };
  const at = value.exprId === undefined ? undefined : partAt(expr, value.exprId);
  return { type: "failure", problem: { expr: at ?? expr, message: failureText(expr, value, new Map()) } };
}

function partAt(expr: Expr, id: bigint): Expr | undefined {
  if (expr.id === id) return expr;
  for (const child of children(expr)) {
    const found = partAt(child, id);
    if (found !== undefined) return found;
  }
  return undefined;
}
