import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { explainable } from "../../../src/predicate/core/explain.ts";
import { type Coverage, createCoverage, mergeCoverage } from "../../../src/predicate/core/explain-coverage.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { checkOf } from "../../support/rule-values.ts";

function coverageOf(source: string, ...inputs: readonly JsonObject[]): Coverage {
  const ready = explainable(source, ruleVariables, "bool");
  if (!ready.ok) throw new Error(JSON.stringify(ready.error));
  const recorder = createCoverage(ready.value);
  for (const metadata of inputs) recorder.evaluate(bindingsOf(checkOf({ workflow: { metadata } })), { left: evaluationCostMax });
  return recorder.report();
}

/** `text true/false/other`, as often as each was seen. */
const lines = (source: string, { branches }: Coverage): readonly string[] =>
  branches.map(
    ({ offset, length, seenTrue, seenFalse, seenOther }) =>
      `${source.slice(offset, offset + length)} ${seenTrue}/${seenFalse}/${seenOther}`,
  );

describe("how often each part that decides came to what", () => {
  test("of and, or and not", () => {
    const source = "workflow.metadata.a && (workflow.metadata.b || !workflow.metadata.c)";
    const inputs = [{ a: true, b: true, c: true }, { a: false, b: true, c: true }, { a: true, b: false, c: true }, { a: true }];
    const coverage = coverageOf(source, ...inputs);
    expect(coverage).toMatchObject({ allowed: 1, denied: 2, failed: 1 });
    expect(lines(source, coverage)).toEqual([
      `${source} 1/2/1`,
      "workflow.metadata.a 3/1/0",
      "workflow.metadata.b || !workflow.metadata.c 1/1/1",
      "workflow.metadata.b 1/1/1",
      "!workflow.metadata.c 0/1/1",
      "workflow.metadata.c 1/0/1",
    ]);
  });

  test("of a condition and its branches, also of those that nothing has reached", () => {
    const source = "workflow.metadata.a ? workflow.metadata.b : workflow.metadata.c == 1";
    expect(lines(source, coverageOf(source, { a: true, b: false }))).toEqual([
      `${source} 0/1/0`,
      "workflow.metadata.a 1/0/0",
      "workflow.metadata.b 0/1/0",
      "workflow.metadata.c == 1 0/0/0",
    ]);
  });

  test("within loops, for each element", () => {
    const source = "workflow.metadata.list.all(x, x > 1.0 || x < 0.0)";
    expect(lines(source, coverageOf(source, { list: [2, 3, -1] }, { list: [1, 5] }))).toEqual([
      `${source} 1/1/0`,
      "x > 1.0 || x < 0.0 3/1/0",
      "x > 1.0 2/2/0",
      "x < 0.0 1/1/0",
    ]);
  });

  test("of what a name stands for only where that decides", () => {
    const source = "cel.bind(x, workflow.metadata.a, x && workflow.metadata.b)";
    expect(lines(source, coverageOf(source, { a: true, b: false }))).toEqual([
      `${source} 0/1/0`,
      "x 1/0/0",
      "workflow.metadata.b 0/1/0",
    ]);
  });

  test("with the place of each", () => {
    expect(coverageOf("true &&\n  workflow.metadata.a").branches.map(({ position }) => position)).toEqual([
      { line: 1, column: 6 },
      { line: 2, column: 21 },
    ]);
  });
});

test("what was seen in two places adds up to what would have been seen in one", () => {
  const source = "workflow.metadata.a && workflow.metadata.b";
  const [one, two, three] = [{ a: true, b: true }, { a: false }, { a: true }];
  const merged = mergeCoverage(coverageOf(source, one, two), coverageOf(source, three));
  expect(merged).toEqual(coverageOf(source, one, two, three));
  expect(merged).toMatchObject({ allowed: 1, denied: 1, failed: 1 });
  expect(structuredClone(merged)).toEqual(merged);
});

test("what is recorded answers as a plain evaluation does", () => {
  const ready = explainable("workflow.metadata.none", ruleVariables, "bool");
  const result = ready.ok && createCoverage(ready.value).evaluate(bindingsOf(checkOf({})), { left: evaluationCostMax });
  expect(result).toMatchObject({ ok: false, error: expect.stringContaining("line 1, column 19: field not found: none") });
});
