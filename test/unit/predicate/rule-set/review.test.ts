import { describe, expect, test } from "vitest";
import { lastOf } from "../../../../src/predicate/core/compile-rule.ts";
import { evaluationCostMax } from "../../../../src/predicate/core/limits.ts";
import { lintSteps, reviewSteps } from "../../../../src/predicate/core/rule-set/review.ts";
import { compileContents } from "../../../../src/predicate/core/rule-set.ts";
import type { RuleVersion } from "../../../../src/predicate/core/types.ts";
import { contentsOf, factOf, ruleOf, ruleSetOf, ruleSetWith } from "../../../support/rule-values.ts";

const cold = ruleOf({ id: "cold", expression: "workflow.metadata.celsius < 8" });
const review = (rule: RuleVersion, ruleSet = ruleSetOf(1, cold)) => lastOf(reviewSteps(rule, ruleSet));
const said = (rule: RuleVersion, ruleSet = ruleSetOf(1, cold)) =>
  review(rule, ruleSet).diagnostics.map(({ severity, field, message, relatedRuleIds }) => [
    severity,
    field,
    message,
    relatedRuleIds.join(),
  ]);

describe("a rule beside the active ones", () => {
  test("that contradicts one, is shadowed by one, or says the same", () => {
    expect(said(ruleOf({ id: "warm", expression: "workflow.metadata.celsius > 20" }))).toEqual([
      ["WARNING", "expression", expect.stringContaining('"cold" and "warm" together forbid every move'), "cold"],
    ]);
    expect(said(ruleOf({ id: "mild", expression: "workflow.metadata.celsius < 30" }))).toEqual([
      ["WARNING", "expression", 'what rule "mild" denies, rule "cold" denies too', "cold"],
    ]);
    expect(said(ruleOf({ id: "again", expression: cold.expression }))).toEqual([
      ["WARNING", "expression", expect.stringContaining("deny the same"), "cold"],
    ]);
  });

  test("is not compared with the version of it that judges", () => {
    expect(said(ruleOf({ id: "cold", version: 2, expression: "workflow.metadata.celsius > 20" }))).toEqual([]);
  });

  test("hears nothing of what others are like", () => {
    const set = ruleSetOf(1, ruleOf({ id: "idle", expression: "true" }), ruleOf({ id: "idler", expression: "true" }));
    expect(said(cold, set)).toEqual([]);
  });

  test("with a part that is never evaluated, with its place", () => {
    const source = `${"   ".repeat(40)}\n\t"😀" == "😀" && (to == "ACTIVE" ? true : workflow.version > 1)`;
    const rule = ruleOf({ id: "new", expression: source, moves: [{ from: "CREATED", to: "ACTIVE" }] });
    const unreachable = review(rule).diagnostics.find(({ position }) => position !== undefined);
    expect(unreachable).toMatchObject({ severity: "WARNING", field: "expression", position: { line: 2, column: 41 } });
    const [line = "", caret = ""] = unreachable?.snippet.split("\n") ?? [];
    expect([...line].slice(caret.length - 1).join("")).toMatch(/^workflow.version > 1/);
  });

  test("that is wrong has errors, and no warnings", () => {
    const wrong = ruleOf({ id: "new", expression: "tru && fals", moves: [{ from: undefined, to: "CREATED" }] });
    expect(said(wrong).map(([severity, field]) => [severity, field])).toEqual([
      ["ERROR", "moves"],
      ["ERROR", "expression"],
      ["ERROR", "expression"],
    ]);
    expect(
      said(wrong)
        .slice(1)
        .map(([, , message]) => message),
    ).toEqual([expect.stringContaining('"tru"'), expect.stringContaining('"fals"')]);
    expect(review(wrong)).toMatchObject({ costMin: 0, costMax: undefined });
  });
});

describe("what it costs", () => {
  test("at least: its condition alone, if it has one", () => {
    const rule = ruleOf({ condition: "from == 'ACTIVE'", expression: "workflow.version > 1 && to != from" });
    expect(review(rule)).toMatchObject({ costMin: 3, costMax: expect.any(Number) });
  });

  test("at most is not known of what reads a fact", () => {
    const set = ruleSetWith({ facts: [factOf("warm", "workflow.metadata.celsius > 8")] });
    expect(review(ruleOf({ expression: "facts.warm" }), set)).toMatchObject({ costMax: undefined });
  });

  test("more than it may, even with as little data as may be: it is refused", () => {
    const list = `[${Array.from({ length: 60 }, (_, index) => index).join(", ")}]`;
    const rule = ruleOf({ expression: `${list}.map(a, ${list}.map(b, ${list}.map(c, a + b + c))).size() > 0` });
    const [error] = review(rule).diagnostics;
    expect(error).toMatchObject({ severity: "ERROR", field: "expression", position: { line: 1, column: 1 } });
    expect(error?.message).toMatch(new RegExp(`^costs \\d+ units at least, .* an evaluation may cost ${evaluationCostMax}$`));
  });
});

test("lint tells of all active rules, and of each two of them", () => {
  const set = ruleSetOf(
    1,
    cold,
    ruleOf({ id: "idle", expression: "true" }),
    ruleOf({ id: "warm", expression: "workflow.metadata.celsius > 20" }),
  );
  expect(lastOf(lintSteps(set)).map(({ message, relatedRuleIds }) => [message.slice(0, 40), ...relatedRuleIds])).toEqual([
    [expect.any(String), "idle"],
    [expect.any(String), "cold", "warm"],
  ]);
});

test("lint shows the part that is never evaluated", () => {
  const set = ruleSetOf(1, cold, ruleOf({ id: "dead", expression: "false && workflow.version > 1" }));
  const [found] = lastOf(lintSteps(set)).filter(({ position }) => position !== undefined);
  expect(found).toMatchObject({
    position: { line: 1, column: 10 },
    relatedRuleIds: ["dead"],
    snippet: `false && workflow.version > 1\n${" ".repeat(9)}^`,
  });
});

test("a rule of another version of Concord, which does not compile here, is passed over", () => {
  const broken = ruleOf({ id: "broken", expression: "nothing.at.all" });
  const { ruleSet } = lastOf(compileContents(contentsOf({ active: [broken, cold] })));
  expect(lastOf(lintSteps(ruleSet))).toEqual([]);
  expect(said(ruleOf({ id: "again", expression: cold.expression }), ruleSet)).toHaveLength(1);
});
