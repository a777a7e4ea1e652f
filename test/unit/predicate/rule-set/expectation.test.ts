import { expect, test } from "vitest";
import type { RuleId } from "../../../../src/kernel/ids.ts";
import { mismatchOf } from "../../../../src/predicate/core/rule-set/expectation.ts";
import type { Expectation, Verdict, Violation } from "../../../../src/predicate/core/types.ts";

const violation = (name: string): Violation => ({
  ruleId: name as RuleId,
  ruleVersion: 1,
  message: `no ${name}`,
  evaluationFailed: false,
});
const findings = {
  ruleSetRevision: 1,
  warnings: [violation("warn")],
  audits: [violation("audit")],
  shadows: [],
  shadowsNotJudged: 0,
  cost: 1,
};
const denied: Verdict = { type: "rule-denied", violations: [violation("deny")], ...findings };
const allowed: Verdict = { type: "allowed", ...findings };
const wanting = (verdict: Expectation["verdict"], ...violations: readonly (readonly [string, string])[]): Expectation => ({
  verdict,
  violations: violations.map(([name, message]) => ({ ruleId: name as RuleId, message })),
});

const all = ["deny", "warn", "audit"].map((name) => [name, ""] as const);

test.each<[Expectation, Verdict, string | undefined]>([
  [wanting("allowed"), allowed, undefined],
  [wanting("rule-denied"), denied, undefined],
  [wanting("invalid-transition"), { type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] }, undefined],
  [wanting("allowed"), denied, 'expected it to be allowed, but it was denied by "deny" (no deny)'],
  [wanting("rule-denied"), allowed, "expected it to be denied, but it was allowed"],
  [wanting("rule-denied", ["a", ""], ["b", "no"]), allowed, 'expected it to be denied by "a", "b", but it was allowed'],
  [
    wanting("rule-denied"),
    { type: "invalid-transition", ruleSetRevision: 1, allowedStates: ["PAUSED", "FAILED"] },
    "expected it to be denied, but it was no move of the lifecycle, in which it could go to PAUSED, FAILED",
  ],
  [
    wanting("allowed"),
    { type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] },
    "expected it to be allowed, but it was no move of the lifecycle, in which it could go to nowhere",
  ],
  [
    wanting("invalid-transition", ["deny", ""]),
    { type: "invalid-transition", ruleSetRevision: 1, allowedStates: [] },
    'expected rule "deny" not to hold, but it holds or does not apply',
  ],
  [wanting("invalid-transition"), allowed, "expected it to be no move of the lifecycle, but it was allowed"],
  [wanting("allowed"), { type: "deferred", ruleSetRevision: 1 }, "expected it to be allowed, but it was not judged"],
  [wanting("rule-denied", ...all), denied, undefined],
  [wanting("rule-denied", ["deny", "no deny"], ["warn", ""], ["audit", ""]), denied, undefined],
  [
    wanting("rule-denied", ["deny", "no"], ["warn", ""]),
    denied,
    'expected rule "deny" to say: no; but it says: no deny; did not expect rule "audit" to say: no audit',
  ],
  [wanting("allowed", ["warn", ""]), allowed, 'did not expect rule "audit" to say: no audit'],
  [wanting("rule-denied", ...all, ["other", ""]), denied, 'expected rule "other" not to hold, but it holds or does not apply'],
  [
    wanting("rule-denied", ...["1", "2", "3", "4", "5", "6", "7"].map((name) => [name, ""] as const)),
    allowed,
    'expected it to be denied by "1", "2", "3", "4", "5", and 2 more, but it was allowed',
  ],
  [
    wanting("rule-denied", ...["1", "2", "3", "4", "5", "6"].map((name) => [name, ""] as const)),
    allowed,
    'expected it to be denied by "1", "2", "3", "4", "5", and 1 more, but it was allowed',
  ],
  [
    wanting("rule-denied", ...["1", "2", "3", "4", "5"].map((name) => [name, ""] as const)),
    allowed,
    'expected it to be denied by "1", "2", "3", "4", "5", but it was allowed',
  ],
  [
    wanting("rule-denied", ["deny", ""]),
    denied,
    'did not expect rule "warn" to say: no warn; did not expect rule "audit" to say: no audit',
  ],
  [
    wanting("rule-denied", ["deny", ""], ["other", ""], ["warn", ""]),
    denied,
    'did not expect rule "audit" to say: no audit; expected rule "other" not to hold, but it holds or does not apply',
  ],
  [
    { verdict: "metadata-invalid", violations: [] },
    { type: "allowed", ...findings },
    "expected it to be refused by the schema, but it was allowed",
  ],
  [
    { verdict: "allowed", violations: [] },
    { type: "metadata-invalid", ruleSetRevision: 1, problems: [{ path: "metadata.a", message: "must be a number" }] },
    "expected it to be allowed, but it was refused by the schema: metadata.a must be a number",
  ],
])("%j of %j: %s", (expected, verdict, why) => {
  expect(mismatchOf(expected, verdict)).toBe(why);
});
