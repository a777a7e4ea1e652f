import { describe, expect, test } from "vitest";
import { sliceMs } from "../../../src/kernel/limits.ts";
import { ok } from "../../../src/kernel/result.ts";
import { explainCheck } from "../../../src/predicate/core/explain-check.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { callCostMax, inPlaceCostMax } from "../../../src/predicate/core/limits.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import type { Judges } from "../../../src/predicate/judges.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { checkOf, ruleOf, ruleSetOf } from "../../support/rule-values.ts";

const signal = new AbortController().signal;

function world() {
  const asked: { readonly checks: readonly Check[]; readonly costMax: number }[] = [];
  const judges: Judges = {
    prepare: () => {},
    judge: async (ruleSet, checks, { costMax }) => {
      asked.push({ checks, costMax });
      return ok(checks.map((check) => judge(ruleSet, check)));
    },
    explain: async (ruleSet, check, { ruleIds }) =>
      ok({ verdict: judge(ruleSet, check), explanation: explainCheck(ruleSet, check, ruleIds) }),
    close: async () => {},
  };
  // Between any two checks a millisecond passes.
  let nowMs = 0;
  let count = 0;
  const turns = createTurns({
    monotonicMs: () => {
      nowMs += 1;
      return nowMs;
    },
    nextTurn: (run) => {
      count += 1;
      setImmediate(run);
    },
  });
  return { evaluator: createEvaluator({ judges, turns, clock: systemClock }), asked, turns: () => count };
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
  const many = Array.from({ length: 1000 }, () => small);

  test("after each slice", async () => {
    const { evaluator, turns } = world();
    await evaluator.judge(rules, many, { signal, promptOnly: false });
    expect(turns()).toBeGreaterThan(many.length / (sliceMs + 2));
    expect(turns()).toBeLessThan(many.length / (sliceMs - 2));
  });

  test("and ends when its caller leaves", async () => {
    const leaving = new AbortController();
    const { evaluator, turns } = world();
    const call = evaluator.judge(rules, many, { signal: leaving.signal, promptOnly: false });
    leaving.abort("left");
    await expect(call).rejects.toBe("left");
    // The one in which it began, and the one in which it was to go on.
    expect(turns()).toBe(2);
  });
});

describe("an explanation", () => {
  test("is made on a thread, also of what costs little", async () => {
    const { evaluator } = world();
    const explained = await evaluator.explain(rules, small, { signal, ruleIds: [] });
    expect(explained).toMatchObject({
      ok: true,
      value: { verdict: { type: "allowed" }, explanation: { rules: [{ ruleId: "pairs" }] } },
    });
  });

  test("of a move to which no rule applies needs none", async () => {
    const { evaluator } = world();
    const nothing = { rules: [], facts: [], omittedCount: 0 };
    expect(await evaluator.explain(ruleSetOf(4), small, { signal, ruleIds: [] })).toMatchObject(
      ok({ verdict: { type: "allowed", ruleSetRevision: 4 }, explanation: nothing }),
    );
    expect(await evaluator.explain(rules, checkOf({ targetState: "CREATED" }), { signal, ruleIds: [] })).toMatchObject(
      ok({ verdict: { type: "invalid-transition" }, explanation: nothing }),
    );
  });
});
