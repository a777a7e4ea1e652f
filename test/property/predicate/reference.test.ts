import fc from "fast-check";
import { expect, test } from "vitest";
import { assert } from "../../../src/kernel/assert.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { parse } from "../../../src/predicate/core/parse.ts";
import { types } from "../../../src/predicate/core/typing/type.ts";
import { referenceValue } from "../../support/reference-evaluator.ts";
import { expressions, inputOf, inputs, textOf, textOfCel, variableNames } from "../../support/reference-evaluator-expressions.ts";
import { LeftOpen, type Value } from "../../support/reference-evaluator-values.ts";
import { uncheckedExpression } from "../../support/unchecked-expression.ts";

// A failure prints its seed; replay it with SEED=n npx vitest run --project property. RUNS=n for more of them.
const numRuns = Number(process.env["RUNS"] ?? 10_000);
const runs = { numRuns };

const anything = Object.fromEntries(variableNames.map((name) => [name, types.dyn]));

/** Undefined: refused when it is written. */
function judged(source: string, input: Readonly<Record<string, Value>>): string | undefined {
  const expression = uncheckedExpression(source, anything);
  if (expression === undefined) return undefined;
  const bindings = Object.fromEntries(Object.entries(input).map(([name, value]) => [name, inputOf(value)]));
  const result = evaluate(expression, bindings, { left: evaluationCostMax });
  return result.ok ? textOfCel(result.value) : "error";
}

/** Undefined: the specification does not say. */
function specified(source: string, input: Readonly<Record<string, Value>>): string | undefined {
  const parsed = parse(source);
  assert(parsed.ok, "random expressions can be read");
  try {
    return textOf(referenceValue(parsed.value.expr, new Map(Object.entries(input))));
  } catch (error) {
    if (error instanceof LeftOpen) return undefined;
    throw error;
  }
}

test("an expression has the value, or the failure, that the specification gives it", () => {
  let failures = 0;
  fc.assert(
    fc.property(expressions, inputs, (source, input) => {
      const [outcome, expected] = [judged(source, input), specified(source, input)];
      // Others are asked instead, so that the number of runs is that of the expressions compared.
      fc.pre(outcome !== undefined && expected !== undefined);
      expect(outcome).toBe(expected);
      if (outcome === "error") failures += 1;
    }),
    runs,
  );
  // Else it would prove little of the one or the other.
  expect(failures).toBeGreaterThan(numRuns / 10);
  expect(failures).toBeLessThan(numRuns / 2);
});
