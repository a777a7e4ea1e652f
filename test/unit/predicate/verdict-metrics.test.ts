import { expect, test } from "vitest";
import type { RuleId } from "../../../src/kernel/ids.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { countVerdicts } from "../../../src/predicate/verdict-metrics.ts";
import { allowed, denied, violationOf } from "../../support/verdict-values.ts";

/** All that was told, in order. */
function told(...verdicts: Parameters<typeof countVerdicts>[1]): readonly string[] {
  const all: string[] = [];
  const say =
    (what: string) =>
    (...of: readonly (string | number)[]): void =>
      void all.push([what, ...of].join(" "));
  const names = ["verdict", "violation", "shadowDifference", "shadowsNotJudged", "cost", "exhausted"] as const;
  const metrics = Object.fromEntries(names.map((name) => [name, say(name)])) as unknown as Parameters<typeof countVerdicts>[0];
  countVerdicts(metrics, verdicts);
  return all;
}

test("each judgement, its cost, and each rule that says something are counted; what was put off is not", () => {
  const shadow = { ruleId: "new" as RuleId, shadowVersion: 2, activeVersion: undefined, violation: undefined };
  const verdict = {
    ...denied(violationOf("cold")),
    warnings: [violationOf("late")],
    audits: [violationOf("seen")],
    shadows: [shadow],
    shadowsNotJudged: 2,
  };
  expect(told(verdict)).toEqual([
    "verdict RULE_DENIED",
    "cost 3",
    "violation cold DENY",
    "violation late WARN",
    "violation seen AUDIT",
    "shadowDifference new",
    "shadowsNotJudged 2",
  ]);
  expect(told(allowed(), { type: "deferred", ruleSetRevision: 1 })).toEqual(["verdict ALLOWED", "cost 3"]);
  expect(told({ type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] })).toEqual(["verdict INVALID_TRANSITION"]);
});

test("a budget is used up if something could not be evaluated and cost as much as an expression may", () => {
  const failed = { ...violationOf("dear"), evaluationFailed: true };
  expect(told({ ...denied(failed), cost: evaluationCostMax })).toContain("exhausted");
  expect(told({ ...allowed({ warnings: [failed] }), cost: evaluationCostMax })).toContain("exhausted");
  expect(told(denied(failed))).not.toContain("exhausted");
  expect(told({ ...denied(violationOf("dear")), cost: evaluationCostMax })).not.toContain("exhausted");
});
