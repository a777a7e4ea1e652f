import { expect, test } from "vitest";
import { lastOf } from "../../../../src/predicate/core/compile-rule.ts";
import { judge } from "../../../../src/predicate/core/judge.ts";
import { createRuleCoverage } from "../../../../src/predicate/core/rule-set/coverage.ts";
import { compileContents } from "../../../../src/predicate/core/rule-set.ts";
import type { Check } from "../../../../src/predicate/core/types.ts";
import { checkOf, contentsOf, ruleOf, ruleSetWith, sampleCheck } from "../../../support/rule-values.ts";

const set = ruleSetWith({
  active: [
    ruleOf({ id: "a", condition: "has(workflow.metadata.n)", expression: "workflow.metadata.n > 1 && to == 'COMPLETED'" }),
    ruleOf({ id: "b", expression: "request.reason != ''", description: "say why", action: "WARN" }),
    ruleOf({ id: "elsewhere", moves: [{ from: "PAUSED", to: "ACTIVE" }], expression: "false" }),
  ],
});

const withN = (n: unknown, changes: Partial<Omit<Check, "workflow">> = {}) =>
  checkOf({ workflow: { metadata: { n: n as number } }, ...changes });

test("each rule in scope says whether it holds, and why not", () => {
  const recorder = createRuleCoverage(set, { branches: true });
  const said = (check: Check) =>
    recorder.judged(check, judge(set, check)).map(({ rule, says, message }) => [rule.id, says, message]);
  expect(said(withN(2))).toEqual([
    ["a", "HOLDS", ""],
    ["b", "HOLDS", ""],
  ]);
  expect(said(withN(1, { reason: "" }))).toEqual([
    ["a", "DOES_NOT_HOLD", "not allowed"],
    ["b", "DOES_NOT_HOLD", "say why"],
  ]);
  expect(said(withN("x"))[0]).toEqual(["a", "CANNOT_BE_EVALUATED", expect.stringContaining("could not be evaluated")]);
  expect(said(sampleCheck)[0]).toEqual(["a", "DOES_NOT_APPLY", ""]);
  expect(said(checkOf({ workflow: { state: "COMPLETED" } }))).toEqual([]);
  const [a, b, elsewhere] = recorder.report();
  expect(a?.counts).toEqual({ HOLDS: 1, DOES_NOT_HOLD: 1, CANNOT_BE_EVALUATED: 1, DOES_NOT_APPLY: 1, NOT_ASKED: 0 });
  expect(a?.condition).toMatchObject({ allowed: 3, denied: 1, failed: 0 });
  expect(a?.expression).toMatchObject({ allowed: 1, denied: 1, failed: 1 });
  expect(b?.condition).toBeUndefined();
  expect(elsewhere).toMatchObject({ counts: { HOLDS: 0, DOES_NOT_HOLD: 0 }, expression: undefined });
});

test("a rule that only audits says so, too", () => {
  const audited = ruleSetWith({ active: [ruleOf({ id: "a", expression: "false", action: "AUDIT", description: "noted" })] });
  const said = createRuleCoverage(audited, { branches: false }).judged(sampleCheck, judge(audited, sampleCheck));
  expect(said).toMatchObject([{ says: "DOES_NOT_HOLD", message: "noted" }]);
});

test("without branches it says the same", () => {
  for (const check of [withN(2), withN(1, { reason: "" }), withN("x"), sampleCheck]) {
    const [plain, full] = [false, true].map((branches) => createRuleCoverage(set, { branches }));
    expect(plain?.judged(check, judge(set, check))).toEqual(full?.judged(check, judge(set, check)));
    expect(plain?.report().map(({ counts }) => counts)).toEqual(full?.report().map(({ counts }) => counts));
    expect(plain?.report()).toMatchObject([{ condition: undefined, expression: undefined }, {}, {}]);
  }
});

test("a condition that cannot be evaluated is no reason to look at the expression", () => {
  const failing = ruleSetWith({ active: [ruleOf({ condition: "workflow.metadata.none", expression: "true" })] });
  const recorder = createRuleCoverage(failing, { branches: true });
  expect(recorder.judged(sampleCheck, judge(failing, sampleCheck))).toMatchObject([{ says: "CANNOT_BE_EVALUATED" }]);
  expect(recorder.report()).toMatchObject([{ condition: { failed: 1 }, expression: undefined }]);
});

test("rules after those that cost too much were not asked", () => {
  const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
  const dear = (id: string) => ruleOf({ id, expression: `${items}.all(x, ${items}.all(y, x + y >= 0))` });
  const dears = ruleSetWith({ active: Array.from({ length: 9 }, (_, n) => dear(`dear-${n}`)) });
  const said = createRuleCoverage(dears, { branches: true }).judged(sampleCheck, judge(dears, sampleCheck));
  expect(said.at(-1)?.says).toBe("NOT_ASKED");
  expect(said.filter(({ says }) => says === "CANNOT_BE_EVALUATED")).toHaveLength(1);
});

test("a rule that does not compile has no branches", () => {
  const broken = contentsOf({ active: [ruleOf({ expression: "1 +" })] });
  const { ruleSet } = lastOf(compileContents(broken));
  const recorder = createRuleCoverage(ruleSet, { branches: true });
  expect(recorder.judged(sampleCheck, judge(ruleSet, sampleCheck))).toMatchObject([{ says: "CANNOT_BE_EVALUATED" }]);
  expect(recorder.report()).toMatchObject([{ counts: { CANNOT_BE_EVALUATED: 1 }, expression: undefined }]);
});
