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

type Walk = { readonly move: Move; readonly found: Set<Expr>; readonly work: Work };

function visit(expr: Expr, reached: Cases, walk: Walk): void {
  if (reached?.length === 0) {
    walk.found.add(expr);
    return;
  }
  if (expr.exprKind.case !== "callExpr") return;
  const [first, second, third] = expr.exprKind.value.args;
  const after = (outcome: Outcome): Cases =>
    first && both(reached, casesOf(formulaOf(first, walk.move), outcome, walk.work), walk.work);
  switch (expr.exprKind.value.function) {
    case "_&&_":
    case "_||_":
      if (first) visit(first, reached, walk);
      if (second) visit(second, after(expr.exprKind.value.function === "_&&_" ? "not false" : "not true"), walk);
      return;
    case "_?_:_":
      if (first) visit(first, reached, walk);
      if (second) visit(second, after("true"), walk);
      if (third) visit(third, after("false"), walk);
      return;
    case "!_":
      if (first) visit(first, reached, walk);
  }
}
