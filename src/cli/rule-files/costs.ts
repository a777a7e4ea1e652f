import { type CostEstimate, estimate } from "../../predicate/core/estimate.ts";
import type { Expression } from "../../predicate/core/evaluate.ts";
import type { RuleSet } from "../../predicate/core/rule-set.ts";
import { tableLines } from "../output.ts";

/** What each active rule costs, in units, at least and at most; its facts are not counted. */
export function costLines({ contents, compiled }: RuleSet): readonly string[] {
  const rows = contents.active.map((rule) => {
    const { condition, expression } = compiled.get(rule) ?? {};
    const parts = [condition, expression?.ok ? expression.value : undefined].filter((each) => each !== undefined);
    const { min, max } = parts.map((each: Expression) => estimate(each)).reduce(sum, { min: 0, max: 0 });
    return [rule.id, String(Math.ceil(min)), max === undefined ? "no bound is known" : String(Math.ceil(max))];
  });
  return tableLines(["rule", "units at least", "at most"], rows);
}

const sum = (a: CostEstimate, b: CostEstimate): CostEstimate => ({
  min: a.min + b.min,
  max: a.max === undefined || b.max === undefined ? undefined : a.max + b.max,
});
