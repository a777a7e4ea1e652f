import { expect, test } from "vitest";
import { judge } from "../../../../src/predicate/core/judge.ts";
import { testsCostMax } from "../../../../src/predicate/core/limits.ts";
import { testSteps } from "../../../../src/predicate/core/rule-set/run-tests.ts";
import type { RuleTestSource, Verdict } from "../../../../src/predicate/core/types.ts";
import { ruleOf, ruleSetOf, sampleCheck } from "../../../support/rule-values.ts";

const testOf = (name: string, verdict: RuleTestSource["expect"]["verdict"]): RuleTestSource => ({
  name,
  check: sampleCheck,
  expect: { verdict, violations: [] },
});

function run(tests: readonly RuleTestSource[], verdictOf: (test: RuleTestSource) => Verdict | undefined) {
  const steps = testSteps(tests);
  let step = steps.next();
  while (!step.done) step = steps.next(verdictOf(step.value));
  return step.value.map(({ test, why }) => [test.name, why]);
}

const cold = ruleSetOf(1, ruleOf({ id: "cold", expression: "false", description: "keep it cold" }));

test("each test ends with what its verdict lacks, in their order", () => {
  expect(run([testOf("a", "rule-denied"), testOf("b", "allowed")], ({ check }) => judge(cold, check))).toEqual([
    ["a", undefined],
    ["b", 'expected it to be allowed, but it was denied by "cold" (keep it cold)'],
  ]);
});

test("what no rule was asked about has cost nothing", () => {
  const noMove: Verdict = { type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] };
  const dear: Verdict = {
    ...{ type: "allowed", ruleSetRevision: 1, warnings: [], audits: [], shadows: [], shadowsNotJudged: 0 },
    cost: testsCostMax + 1,
  };
  const outcomes = run([testOf("a", "invalid-transition"), testOf("b", "allowed"), testOf("c", "allowed")], ({ name }) =>
    name === "a" ? noMove : dear,
  );
  expect(outcomes.map(([, why]) => why)).toEqual([
    undefined,
    expect.stringMatching(/^the tests up to this one cost more/),
    expect.stringMatching(/^it was not run/),
  ]);
});

test("without a verdict it has not passed", () => {
  expect(run([testOf("a", "allowed")], () => undefined)).toEqual([["a", "the engine has too much to do to judge it now"]]);
});

test("what all of them cost is bounded, and those beyond it are not run", () => {
  const cost = testsCostMax / 2;
  const dear: Verdict = { type: "allowed", ruleSetRevision: 1, warnings: [], audits: [], shadows: [], shadowsNotJudged: 0, cost };
  const tests = ["a", "b", "c", "d"].map((name) => testOf(name, "allowed"));
  const asked: string[] = [];
  const outcomes = run(tests, ({ name }) => {
    asked.push(name);
    return name === "b" ? { ...dear, cost: cost + 1 } : dear;
  });
  expect(asked).toEqual(["a", "b"]);
  expect(outcomes.slice(1)).toEqual([
    ["b", "the tests up to this one cost more than 20000000 units together"],
    ["c", "it was not run: those before it cost too much together"],
    ["d", "it was not run: those before it cost too much together"],
  ]);
});
