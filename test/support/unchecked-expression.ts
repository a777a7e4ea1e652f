import { plan } from "@bufbuild/cel";
import { check, type Variables } from "../../src/predicate/core/check.ts";
import { meteredEnv } from "../../src/predicate/core/environment.ts";
import type { Expression } from "../../src/predicate/core/evaluate.ts";
import { nodeCount } from "../../src/predicate/core/expr.ts";
import { lower } from "../../src/predicate/core/lower.ts";
import { parse } from "../../src/predicate/core/parse.ts";
import { positionAt } from "../../src/predicate/core/position.ts";

/** As `compile` makes it, also of what is certain to fail. Undefined: there is no evaluating it. */
export function uncheckedExpression(source: string, variables: Variables): Expression | undefined {
  const parsed = parse(source);
  if (!parsed.ok) return undefined;
  const { expr, offsetOf } = parsed.value;
  const { isPlannable, typeOf, said } = check(expr, variables);
  if (!isPlannable) return undefined;
  const baseCost = nodeCount(expr);
  const type = typeOf(expr);
  lower(expr);
  return { run: plan(meteredEnv, expr), baseCost, expr, type, said, positionOf: (id) => positionAt(source, offsetOf(id)) };
}
