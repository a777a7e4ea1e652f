import fc from "fast-check";
import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { estimate } from "../../../src/predicate/core/estimate.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { randomExpressions, randomMetadata } from "../../support/random-expressions.ts";
import { checkOf } from "../../support/rule-values.ts";

test("what an evaluation costs is never less than the least estimate, if it ends with a value, nor more than the largest", () => {
  let values = 0;
  let bounded = 0;
  const closed = randomExpressions.map((source) => `cel.bind(x, 'outer', ${source})`);
  fc.assert(
    fc.property(closed, randomMetadata, (source, metadata) => {
      const compiled = compile(source, ruleVariables);
      if (!compiled.ok) return;
      const { min, max } = estimate(compiled.value);
      const purse = { left: evaluationCostMax };
      const result = evaluate(compiled.value, bindingsOf(checkOf({ workflow: { metadata } })), purse);
      if (!result.ok) return;
      const cost = evaluationCostMax - purse.left;
      values += 1;
      expect(min).toBeLessThanOrEqual(cost);
      if (max !== undefined) bounded += 1;
      expect(max ?? Infinity).toBeGreaterThanOrEqual(cost);
    }),
    { numRuns: 3000 },
  );
  expect(values).toBeGreaterThan(500);
  expect(bounded).toBeGreaterThan(300);
});
