import { assert } from "../../../kernel/assert.ts";
import type { Expr } from "../expr.ts";
import { always, both, type Cases, casesOf, type Work } from "./cases.ts";
import type { Outcome } from "./domain.ts";
import { formulaOf } from "./formula.ts";
import type { Move } from "./term.ts";

/** Conditions joined, of one expression and one move: some milliseconds. */
const conditionsMax = 5_000;

/** The parts behind `&&`, `||`, `?` and `:` that are not evaluated when this move is made, whatever the data. Of nested ones the outermost. */
export function unreachableParts(expr: Expr, move: Move): ReadonlySet<Expr> {
  const found = new Set<Expr>();
  visit(expr, always, { move, found, work: { left: conditionsMax } });
  return found;
}

/** Of operators whose first operand comes first: how it ends where each of the others is evaluated. */
const outcomesOf: ReadonlyMap<string, readonly Outcome[]> = new Map([
  ["_&&_", ["not false"]],
  ["_||_", ["not true"]],
  ["_?_:_", ["true", "false"]],
  ["!_", []],
]);

type Walk = { readonly move: Move; readonly found: Set<Expr>; readonly work: Work };

function visit(expr: Expr, reached: Cases, walk: Walk): void {
  if (reached?.length === 0) {
    walk.found.add(expr);
    return;
  }
  if (expr.exprKind.case !== "callExpr") return;
  const [first, ...others] = expr.exprKind.value.args;
  const outcomes = outcomesOf.get(expr.exprKind.value.function);
  if (outcomes === undefined) return;
  assert(first, "an operator has an operand");
  visit(first, reached, walk);
  for (const [at, other] of others.entries()) {
    const outcome = outcomes[at];
    assert(outcome, "an operator has so many operands");
    visit(other, both(reached, casesOf(formulaOf(first, walk.move), outcome, walk.work), walk.work), walk);
  }
}
