import { describe, expect, test } from "vitest";
import { ok } from "../../../src/kernel/result.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { callCostMax, inPlaceCostMax, sliceCostMax } from "../../../src/predicate/core/limits.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import type { Judges } from "../../../src/predicate/judges.ts";
import { checkOf, ruleOf, ruleSetOf, sampleCheck } from "../../support/rule-values.ts";

const signal = new AbortController().signal;

function world() {
  const asked: { readonly checks: readonly Check[]; readonly costMax: number }[] = [];
  const judges: Judges = {
    prepare: () => {},
    judge: async (ruleSet, checks, { costMax }) => {
      asked.push({ checks, costMax });
      return ok(checks.map((check) => judge(ruleSet, check)));
    },
    close: async () => {},
  };
  let turns = 0;
  const nextTurn = async () => {
    turns += 1;
  };
  return { evaluator: createEvaluator({ judges, nextTurn }), asked, turns: () => turns };
}

const numbered = (count: number): Check =>
  checkOf({ workflow: { metadata: { numbers: Array.from({ length: count }, (_, n) => n) } } });
const rules = ruleSetOf(
  3,
  ruleOf({ id: "pairs", expression: "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, x + y >= 0.0))" }),
);
const [small, large] = [numbered(3), numbered(20)];

describe("what costs little is judged at once, the rest on a thread", () => {
  test("in the order of the checks, with what is left for the call", async () => {
    const { evaluator, asked } = world();
    const checks = [large, small, large, checkOf({ targetState: "CREATED" })];
    const expected = checks.map((check) => judge(rules, check));
    expect(await evaluator.judge(rules, checks, { signal, promptOnly: false })).toEqual(ok(expected));
    expect(asked.map((call) => call.checks)).toEqual([[large, large]]);
    expect(asked[0]?.costMax).toBeLessThan(callCostMax);
    expect(asked[0]?.costMax).toBeGreaterThan(callCostMax - inPlaceCostMax);
  });

  test("or deferred, if the caller wants only what is prompt", async () => {
    const { evaluator, asked } = world();
    expect(await evaluator.judge(rules, [large, small], { signal, promptOnly: true })).toEqual(
      ok([{ type: "deferred", ruleSetRevision: 3 }, judge(rules, small)]),
    );
    expect(asked).toEqual([]);
  });
});

describe("a call with many checks lets others have their turn", () => {
  const many = (check: Check) => Array.from({ length: 1000 }, () => check);

  test("after each slice", async () => {
    const { evaluator, turns } = world();
    const purse = { left: inPlaceCostMax };
    judge(rules, small, purse);
    await evaluator.judge(rules, many(small), { signal, promptOnly: false });
    const cost = 1000 * (inPlaceCostMax - purse.left);
    expect(turns()).toBeGreaterThanOrEqual(Math.floor(cost / (sliceCostMax + inPlaceCostMax)));
    expect(turns()).toBeLessThanOrEqual(Math.ceil(cost / sliceCostMax));
  });

  test("also if none of them turns out to cost little", async () => {
    const { evaluator, turns } = world();
    await evaluator.judge(rules, many(large), { signal, promptOnly: true });
    expect(turns()).toBeGreaterThanOrEqual((1000 * inPlaceCostMax) / (sliceCostMax + inPlaceCostMax) - 1);
  });

  test("and not at all if it costs little", async () => {
    const { evaluator, turns } = world();
    await evaluator.judge(ruleSetOf(1, ruleOf({ expression: "from != to" })), many(sampleCheck).slice(0, 128), {
      signal,
      promptOnly: false,
    });
    expect(turns()).toBe(0);
  });

  test("and ends when its caller leaves", async () => {
    const leaving = new AbortController();
    const { evaluator, turns } = world();
    const call = evaluator.judge(rules, many(small), { signal: leaving.signal, promptOnly: false });
    leaving.abort("left");
    await expect(call).rejects.toBe("left");
    expect(turns()).toBe(1);
  });
});
