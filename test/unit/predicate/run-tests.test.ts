import { expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import type { RuleTest, Verdict } from "../../../src/predicate/core/types.ts";
import type { Evaluator } from "../../../src/predicate/ports.ts";
import { createRunTests } from "../../../src/predicate/run-tests.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { testOf } from "../../support/engine-values.ts";
import { ruleOf, ruleSetOf, simpleEvaluator } from "../../support/rule-values.ts";

const turns = createTurns();
const { signal } = new AbortController();
const named = (name: string, verdict: "allowed" | "rule-denied"): RuleTest => ({
  ...testOf(name, verdict),
  version: 1,
  createdAtMs: 1,
  createdBy: "ada",
});
const set = ruleSetOf(1, ruleOf({ id: "cold", expression: "workflow.metadata.temperature < 5", description: "too warm" }));

const judging = (judge: Evaluator["judge"]) => createRunTests({ evaluator: { ...simpleEvaluator, judge }, turns });

test("those that fail are named, each with what came out", async () => {
  const run = createRunTests({ evaluator: simpleEvaluator, turns });
  expect(await run(set, [named("a", "rule-denied"), named("b", "allowed")], signal)).toEqual([
    { name: "b", why: 'expected it to be allowed, but it was denied by "cold" (too warm)' },
  ]);
  expect(await run(set, [], signal)).toEqual([]);
});

test("they take their time, as one caller among many", async () => {
  const asked: object[] = [];
  const run = judging(async (ruleSet, checks, options) => {
    asked.push(options);
    return simpleEvaluator.judge(ruleSet, checks, options);
  });
  await run(set, [named("a", "allowed"), named("b", "allowed")], signal);
  const options = { caller: "tests of the rule set", signal, promptOnly: false };
  expect(asked).toEqual([options, options]);
});

test("together they cost no more than 20,000,000 units", async () => {
  const verdict: Verdict = {
    type: "allowed",
    ruleSetRevision: 1,
    warnings: [],
    audits: [],
    shadows: [],
    shadowsNotJudged: 0,
    cost: 10_000_000,
  };
  let judged = 0;
  const run = judging(async () => {
    judged += 1;
    return ok([verdict]);
  });
  const tests = ["a", "b", "c", "d"].map((name) => named(name, "allowed"));
  expect(await run(set, tests.slice(0, 2), signal)).toEqual([]);
  expect(await run(set, tests, signal)).toEqual([
    { name: "c", why: "the tests up to this one cost more than 20000000 units together" },
    { name: "d", why: "it was not run: those before it cost too much together" },
  ]);
  expect(judged).toBe(5);
});

test("what cannot be judged now does not pass", async () => {
  const run = judging(async () => err({ type: "overloaded", what: "checks", limit: 1 }));
  expect(await run(set, [named("a", "allowed")], signal)).toEqual([
    { name: "a", why: "the engine has too much to do to judge it now" },
  ]);
});

test("they end when nobody waits for them any more", async () => {
  const left = new AbortController();
  const run = judging(async () => {
    left.abort(new Error("left"));
    return ok([]);
  });
  await expect(run(set, [named("a", "allowed"), named("b", "allowed")], left.signal)).rejects.toThrow("left");
});
