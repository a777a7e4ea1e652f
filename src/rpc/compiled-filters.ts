import type { Result } from "../kernel/result.ts";
import type { CompileError, Variables } from "../predicate/core/compile.ts";
import { compileFilter, type Filter } from "../predicate/core/filter.ts";
import { filterLengthKept } from "./limits.ts";

/** Compiled filters, by their text. The one that was used last is the last. */
type Kept = { readonly filters: Map<string, Filter>; length: number };

const keptFor = new WeakMap<Variables, Kept>();

/** Compiles a filter, or finds it: each page of a list comes with it again. Few are used at a time, so few are kept. */
export function compiledFilter(variables: Variables, expression: string): Result<Filter, CompileError> {
  const kept = keptFor.get(variables) ?? { filters: new Map(), length: 0 };
  keptFor.set(variables, kept);
  const { filters } = kept;
  const found = filters.get(expression);
  if (found !== undefined) {
    filters.delete(expression);
    filters.set(expression, found);
    return { ok: true, value: found };
  }
  const compiled = compileFilter(variables, expression);
  if (!compiled.ok) return compiled;
  filters.set(expression, compiled.value);
  kept.length += expression.length;
  for (const oldest of filters.keys()) {
    if (kept.length <= filterLengthKept) break;
    filters.delete(oldest);
    kept.length -= oldest.length;
  }
  return compiled;
}
