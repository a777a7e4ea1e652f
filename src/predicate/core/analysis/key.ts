import { assert } from "../../../kernel/assert.ts";
import { children, type Expr } from "../expr.ts";

/** Each node is asked for its key for each move. A lowered expression does not change any more. */
const keys = new WeakMap<Expr, string>();

/** Equal for expressions that are written alike, but for spaces, parentheses and comments: then their values are equal too. */
export function keyOf(expr: Expr): string {
  const known = keys.get(expr) ?? madeKey(expr);
  keys.set(expr, known);
  return known;
}

function madeKey(expr: Expr): string {
  const parts = children(expr).map(keyOf).join(", ");
  const { exprKind } = expr;
  assert(exprKind.case !== undefined, "a parsed node is of some kind");
  switch (exprKind.case) {
    case "constExpr":
      return constantKey(exprKind.value.constantKind);
    case "identExpr":
      return exprKind.value.name.replace(/^\./, "");
    case "selectExpr":
      assert(!exprKind.value.testOnly, "has() is a function once an expression is lowered");
      return `${parts}.${JSON.stringify(exprKind.value.field)}`;
    case "callExpr":
      // What is a method and a function is the same as either.
      return `${exprKind.value.function}(${parts})`;
    case "listExpr":
      return `[${parts}]?${exprKind.value.optionalIndices.join()}`;
    case "structExpr":
      // Of a message: a map is a function once an expression is lowered.
      return `${exprKind.value.messageName}{${exprKind.value.entries.map(({ keyKind }) => String(keyKind.value)).join()}: ${parts}}`;
    case "comprehensionExpr": {
      const { iterVar, iterVar2, accuVar } = exprKind.value;
      return `loop ${iterVar} ${iterVar2} ${accuVar} (${parts})`;
    }
  }
}

function constantKey({ case: kind, value }: Extract<Expr["exprKind"], { case: "constExpr" }>["value"]["constantKind"]): string {
  return `${kind} ${JSON.stringify(Object.is(value, -0) ? "-0" : String(value))}`;
}
