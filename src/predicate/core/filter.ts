import { err, ok, type Result } from "../../kernel/result.ts";
import type { Variables } from "./check.ts";
import { type Comparison, comparisonsOf, saysOnly } from "./comparisons.ts";
import { type CompileError, compile } from "./compile.ts";
import { type Bindings, evaluateBool } from "./evaluate.ts";
import { uses } from "./expr.ts";
import { filterCostMax } from "./limits.ts";

/** What is wanted of the resources of a list, count or watch. */
export type Filter = {
  /** Whether a resource is wanted. What cannot be evaluated, such as a field that this resource does not have, means no. */
  readonly matches: (bindings: Bindings) => boolean;
  /** True of all that is wanted. */
  readonly comparisons: readonly Comparison[];
  /** Whatever these are true of is wanted. */
  readonly onlyCompares: boolean;
  /** Whether it says anything of this variable. */
  readonly reads: (variable: string) => boolean;
};

/** For the `filter` of list, count and watch requests. */
export function compileFilter(variables: Variables, expression: string): Result<Filter, CompileError> {
  const compiled = compile(expression, variables, "bool");
  if (!compiled.ok) return err(compiled.error);
  const matches = (bindings: Bindings): boolean => {
    const result = evaluateBool(compiled.value, bindings, { left: filterCostMax });
    return result.ok && result.value;
  };
  const { expr } = compiled.value;
  const comparisons = comparisonsOf(expr);
  const reads = (variable: string): boolean => uses(expr, variable) > 0;
  return ok({ matches, comparisons, onlyCompares: saysOnly(expr, comparisons), reads });
}
