import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { explain, explainable } from "../../../src/predicate/core/explain.ts";
import { createCoverage } from "../../../src/predicate/core/explain-coverage.ts";
import { explanationBytesMax, explanationCostFactor, messageLengthMax } from "../../../src/predicate/core/limits.ts";
import { casesOf, isComparable } from "../../support/cel-conformance.ts";
import { sampleCheck } from "../../support/rule-values.ts";

// The library throws where it meets an empty Any, past every `||`: that error is the only one without a place of its own.
const leaves = getConformanceSuite()
  .suites.flatMap((suite) => casesOf(suite, ""))
  .filter(([, each]) => isComparable(each) && Object.keys(each.bindings).length === 0 && !/\/\/|protobuf\.Any/.test(each.expr))
  .map(([, { expr }]) => expr.trim());

const fields = [
  "workflow.metadata",
  "workflow.metadata.temperature",
  "workflow.metadata.qc.operators",
  "workflow.metadata.none",
  "workflow.version",
  "from",
  "now",
];

/** What the conformance data asks, put together in every way that decides what is evaluated. */
const { source: sources } = fc.letrec<{ source: string }>((tie) => {
  const part = tie("source").map((source) => `(${source})`);
  const parts = (text: (a: string, b: string, c: string) => string) =>
    fc.tuple(part, part, part).map(([a, b, c]) => text(a, b, c));
  return {
    source: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.constantFrom(...leaves, ...fields),
      fc.constantFrom(...fields),
      parts((a, b) => `${a} && ${b}`),
      parts((a, b, c) => `${a} || ${b} || ${c}`),
      parts((a, b, c) => `${a} ? ${b} : ${c}`),
      parts((a, b) => `${a} == ${b}`),
      parts((a, b) => `${a} + ${b}`),
      parts((a, b) => `${a}[${b}]`),
      parts((a) => `!${a}`),
      parts((a) => `has(${a}.temperature) && ${a}.temperature < 8`),
      parts((a, b, c) => `[${a}, ${b}, ${c}]`),
      parts((a, b) => `{'a': ${a}, 'b': ${b}}`),
      parts((a, b, c) => `[${a}, ${b}].all(x, x == ${c})`),
      parts((a, b, c) => `[${a}, ${b}, 1].exists(x, ${c} || x == 1)`),
      parts((a, b) => `${a}.map(x, x == ${b})`),
      parts((a, b) => `${a}.transformList(i, x, ${b}, i == 0)`),
      parts((a, b) => `${a}.filter(x, ${b})`),
      parts((a, b) => `cel.bind(x, ${a}, x == ${b} || x != x)`),
      parts((a, b) => `${a}.?temperature.orValue(${b})`),
      parts((a, b) => `${a}.sortBy(x, ${b})`),
    ),
  };
});

const budget = 100_000;

test("an explanation has the value or the error of a plain evaluation, at its cost, and tells the same of the whole", () => {
  let compared = 0;
  fc.assert(
    fc.property(sources, (source) => {
      const plain = compile(source, ruleVariables);
      const ready = explainable(source, ruleVariables);
      expect(ready.ok).toBe(plain.ok);
      if (!plain.ok || !ready.ok) return;
      compared += 1;
      const [purse, explained, covered] = [{ left: budget }, { left: budget }, { left: budget }];
      const result = evaluate(plain.value, bindingsOf(sampleCheck), purse);
      const explanation = explain(ready.value, bindingsOf(sampleCheck), explained);
      expect(explanation.outcome).toMatchObject(
        result.ok ? { type: "value" } : { type: "error", message: result.error.slice(0, messageLengthMax) },
      );
      expect(explanation.cost).toBe(budget - purse.left);
      expect(explained.left).toBeCloseTo(budget - explanation.cost * explanationCostFactor, 5);
      expect(Buffer.byteLength(JSON.stringify(explanation))).toBeLessThan(explanationBytesMax);
      const [whole] = explanation.parts;
      if (whole?.length === source.length && result.ok) expect(whole.outcome).toEqual(explanation.outcome);
      const isTrue = createCoverage(ready.value).evaluate(bindingsOf(sampleCheck), covered);
      expect(isTrue.ok).toBe(result.ok && typeof result.value === "boolean");
      if (isTrue.ok) expect(explanation.outcome).toMatchObject({ value: String(isTrue.value) });
    }),
    { numRuns: 1000 },
  );
  expect(compared).toBeGreaterThan(100);
});

test("what is told of a part is what it comes to when it is evaluated by itself", () => {
  fc.assert(
    fc.property(sources, (source) => {
      const ready = explainable(source, ruleVariables);
      if (!ready.ok) return;
      for (const part of explain(ready.value, bindingsOf(sampleCheck), { left: budget }).parts) {
        const alone = explainable(source.slice(part.offset, part.offset + part.length), ruleVariables);
        // A part may need the names around it.
        if (!alone.ok || part.outcome.type !== "value") continue;
        expect(explain(alone.value, bindingsOf(sampleCheck), { left: budget }).outcome).toEqual(part.outcome);
      }
    }),
    { numRuns: 300 },
  );
});
