import { err, ok, type Result } from "../../kernel/result.ts";
import type { Variables } from "./check.ts";
import { type CompileError, compile } from "./compile.ts";
import { type Bindings, evaluateBool } from "./evaluate.ts";
import { filterCostMax } from "./limits.ts";

/** Whether a resource is wanted. What cannot be evaluated, such as a field that this resource does not have, means no. */
export type Filter = (bindings: Bindings) => boolean;

/** For the `filter` of list, count and watch requests. */
export function compileFilter(variables: Variables, expression: string): Result<Filter, CompileError> {
  const compiled = compile(expression, variables, "bool");
  if (!compiled.ok) return err(compiled.error);
  return ok((bindings) => {
    const result = evaluateBool(compiled.value, bindings, { left: filterCostMax });
    return result.ok && result.value;
  });
}
