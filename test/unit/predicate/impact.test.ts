import { expect, test } from "vitest";
import { impactOf } from "../../../src/predicate/core/impact.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import type { RuleVersion } from "../../../src/predicate/core/types.ts";
import { checkOf, ruleOf, ruleSetOf, sampleCheck } from "../../support/rule-values.ts";

const deny = (id: string) => ruleOf({ id, expression: "false" });
const warn = (id: string) => ruleOf({ id, expression: "false", action: "WARN" });
const audit = (id: string) => ruleOf({ id, expression: "false", action: "AUDIT" });
const verdict = (rules: readonly RuleVersion[]) => judge(ruleSetOf(1, ...rules), sampleCheck);

test.each([
  ["newly-denied", [], [deny("a")]],
  ["newly-denied", [warn("a")], [deny("a")]],
  ["newly-allowed", [deny("a")], []],
  ["newly-allowed", [deny("a")], [warn("a")]],
  ["newly-warned", [], [warn("a")]],
  ["newly-warned", [warn("a")], [warn("a"), warn("b")]],
  ["newly-warned", [warn("a")], [warn("b")]],
  ["newly-warned", [audit("a")], [warn("a")]],
  ["other-rules", [warn("a")], []],
  ["other-rules", [], [audit("a")]],
  ["other-rules", [deny("a")], [deny("b")]],
  ["other-rules", [deny("a")], [deny("a"), warn("b")]],
  [undefined, [deny("a")], [{ ...deny("a"), version: 2, message: "'other words'" }]],
  [undefined, [], [ruleOf({ expression: "true" })]],
] as const)("%s: the rules %j, then %j", (kind, before, after) => {
  expect(impactOf(verdict(before), verdict(after))).toBe(kind);
});

test("what the lifecycle does not have stays so", () => {
  const check = checkOf({ targetState: "CREATED" });
  expect(impactOf(judge(ruleSetOf(1), check), judge(ruleSetOf(2, deny("a")), check))).toBeUndefined();
});
