import { describe, expect, test } from "vitest";
import type { RuleId } from "../../../src/kernel/ids.ts";
import { type CheckExplanation, explainCheck, explainedCostMax } from "../../../src/predicate/core/explain-check.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { explanationCostFactor, explanationsBytesMax } from "../../../src/predicate/core/limits.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { checkOf, factOf, ruleOf, ruleSetOf, ruleSetWith, sampleCheck } from "../../support/rule-values.ts";

const explained = (ruleSet: RuleSet, check: Check = sampleCheck, ruleIds: readonly string[] = []): CheckExplanation =>
  explainCheck(ruleSet, check, ruleIds as readonly RuleId[]);

/** What each part of the rules has come to. */
const outcomes = ({ rules }: CheckExplanation) =>
  rules.map(({ ruleId, condition, expression, message }) => [
    ruleId,
    ...[condition, expression, message].map((each) => each && ("value" in each.outcome ? each.outcome.value : each.outcome.type)),
  ]);

describe("of each rule what was asked, and no more", () => {
  const rules = [
    ruleOf({ id: "holds", condition: "true", expression: "to == 'COMPLETED'", message: "'no'" }),
    ruleOf({
      id: "denies",
      expression: "workflow.metadata.temperature < 5",
      message: "'at ' + string(workflow.metadata.temperature)",
    }),
    ruleOf({ id: "elsewhere", condition: "to == 'PAUSED'", expression: "false" }),
    ruleOf({ id: "fails", condition: "workflow.metadata.nothing > 1", expression: "false" }),
    ruleOf({ id: "no message", expression: "false" }),
    ruleOf({ id: "other move", expression: "false", moves: [{ from: undefined, to: "PAUSED" }] }),
  ];

  test("in the order of the judgement", () => {
    expect(outcomes(explained(ruleSetOf(1, ...rules)))).toEqual([
      ["denies", undefined, "false", '"at 7.5"'],
      ["elsewhere", "false", undefined, undefined],
      ["fails", "error", undefined, undefined],
      ["holds", "true", "true", undefined],
      ["no message", undefined, "false", undefined],
    ]);
  });

  test("of those that are named", () => {
    expect(outcomes(explained(ruleSetOf(1, ...rules), sampleCheck, ["holds", "other move"]))).toEqual([
      ["holds", "true", "true", undefined],
    ]);
  });
});

test("rules in shadow are explained behind those that decide, and are told from them", () => {
  const set = ruleSetWith({
    active: [ruleOf({ id: "decides", expression: "true" })],
    shadow: [ruleOf({ id: "tried out", expression: "false" })],
  });
  const { rules } = explained(set);
  expect(rules.map(({ ruleId, isInShadow }) => [ruleId, isInShadow])).toEqual([
    ["decides", undefined],
    ["tried out", true],
  ]);
});

test("a rule of another version of Concord, which does not compile, says why", () => {
  const set = ruleSetOf(1);
  const rule = ruleOf({ expression: "nothing.at.all" });
  const broken: RuleSet = { ...set, index: () => ({ rules: [{ rule } as never], shadows: [] }) };
  expect(explained(broken).rules[0]?.expression?.outcome).toMatchObject({
    type: "error",
    message: expect.stringContaining("line 1, column 1"),
  });
});

test("a rule for a type sees its metadata as the schema has it, as when it judges", () => {
  const metadataSchema = { properties: { count: { type: "integer" } }, required: ["count"] };
  const sample = { name: "sample", description: "", metadataSchema, version: 1, createdAtMs: 1, createdBy: "lab" };
  const set = ruleSetWith({
    active: [ruleOf({ expression: "workflow.metadata.count + 1 > 3", workflowTypes: ["sample"] })],
    workflowTypes: [sample],
  });
  const check = checkOf({ workflow: { metadata: { count: 2 } } });
  expect(judge(set, check)).toMatchObject({ type: "rule-denied", violations: [{ evaluationFailed: false }] });
  const [rule] = explained(set, check).rules;
  expect(rule?.expression?.outcome).toEqual({ type: "value", valueType: "bool", value: "false" });
  expect(rule?.expression?.inputs).toMatchObject([{ path: "workflow.metadata.count", value: "2" }]);
});

test("facts are told in the order of their names", () => {
  const set = ruleSetWith({
    active: [ruleOf({ expression: "facts.b && facts.a && facts.c" })],
    facts: ["a", "b", "c"].map((name) => factOf(name, "true")),
  });
  expect(explainCheck(set, sampleCheck, []).facts.map(({ name }) => name)).toEqual(["a", "b", "c"]);
});

describe("facts", () => {
  const set = ruleSetWith({
    active: [
      ruleOf({ id: "a", expression: "facts.cold || facts.unread" }),
      ruleOf({ id: "b", expression: "has(facts.cold) && facts.cold" }),
    ],
    facts: [
      factOf("cold", "facts.degrees < 8.0", 3),
      factOf("degrees", "workflow.metadata.temperature"),
      factOf("unread", "false"),
    ],
  });

  test("are explained as far as they were read, each once, those that they have read too", () => {
    const { rules, facts } = explained(set);
    expect(rules[0]?.expression?.inputs).toEqual([{ path: "facts.cold", value: "true", isAbsent: false }]);
    expect(facts.map(({ name, version, expression }) => [name, version, expression.outcome])).toEqual([
      ["cold", 3, { type: "value", valueType: "bool", value: "true" }],
      ["degrees", 1, { type: "value", valueType: "double", value: "7.5" }],
    ]);
  });
});

describe("bounds", () => {
  const numbers = Array.from({ length: 200 }, (_, index) => index);
  const dear = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, y >= 0.0))";
  const check = checkOf({ workflow: { metadata: { numbers } } });

  test("what was judged within its cost is explained within ten times as much", () => {
    const set = ruleSetOf(1, ruleOf({ id: "dear", expression: dear.replace("numbers.all(x", "numbers.exists(x") }));
    const spent = { left: explainedCostMax };
    const { rules } = explainCheck(set, check, [], spent);
    expect(rules[0]?.expression?.outcome).toMatchObject({ type: "value" });
    expect(explainedCostMax - spent.left).toBe((rules[0]?.expression?.cost ?? 0) * explanationCostFactor);
  });

  test("what is explained has come to what it comes to when it is judged, whatever the units that are left", () => {
    const items = `[${Array.from({ length: 70 }, (_, n) => n).join(",")}]`;
    const active = ["a", "b", "c", "d"].map((id) => ruleOf({ id, expression: `${items}.all(x, ${items}.all(y, x + y >= 0))` }));
    const { rules, omittedCount } = explainCheck(ruleSetWith({ active }), sampleCheck, [], { left: 20_000 });
    expect(rules).toMatchObject([{ ruleId: "a", expression: { outcome: { type: "value", value: "true" } } }]);
    expect(omittedCount).toBe(3);
  });

  test("rules and facts for which no units are left are counted", () => {
    const set = ruleSetWith({
      active: ["a", "b", "c"].map((id) => ruleOf({ id, expression: "facts.cold" })),
      facts: [factOf("cold", "true")],
    });
    const asked: number[] = [];
    const purse = { left: 15, onRule: (index: number) => asked.push(index) };
    expect(explainCheck(set, sampleCheck, [], purse)).toMatchObject({ rules: [{ ruleId: "a" }], omittedCount: 3 });
    expect(asked).toEqual([0, 1, 2]);
    expect(explainCheck(set, sampleCheck, [], { left: 100, stopped: () => true })).toMatchObject({ rules: [], omittedCount: 3 });
  });

  test("what is stopped in its midst is counted, and not told", () => {
    const set = ruleSetWith({
      active: ["a", "b", "c"].map((id) => ruleOf({ id, expression: "facts.cold" })),
      facts: [factOf("cold", "true")],
    });
    /** Stopped while it explains this rule, and what comes after it in the same turn. */
    const purse = (last: number) => {
      let asked = 0;
      let current = -1;
      return {
        left: explainedCostMax,
        onRule: (index: number) => {
          current = index;
          asked = 0;
        },
        stopped: () => {
          asked += 1;
          return current === last && asked > 1;
        },
      };
    };
    expect(explainCheck(set, sampleCheck, [], purse(1))).toMatchObject({
      rules: [{ ruleId: "a" }, { ruleId: "c" }],
      omittedCount: 1,
    });
    expect(explainCheck(set, sampleCheck, [], purse(2))).toMatchObject({ rules: [{}, {}], facts: [], omittedCount: 2 });
  });

  test("however early it is stopped, nothing is told that was cut short", () => {
    const set = ruleSetWith({
      active: ["a", "b"].map((id) => ruleOf({ id, expression: "facts.cold" })),
      facts: [factOf("cold", "facts.deep"), factOf("deep", "true")],
    });
    for (let stoppedAt = 1, isWhole = false; !isWhole; stoppedAt += 1) {
      let asked = 0;
      const stopped = (): boolean => {
        asked += 1;
        return asked >= stoppedAt;
      };
      const { rules, facts, omittedCount } = explainCheck(set, sampleCheck, [], { left: explainedCostMax, stopped });
      const told = [...rules.map(({ expression }) => expression), ...facts.map(({ expression }) => expression)];
      expect(told.map((each) => each?.outcome.type)).toEqual(told.map(() => "value"));
      isWhole = omittedCount === 0;
    }
  });

  test("rules and facts for which there is no room are counted, and the rest is below the bound", () => {
    const long = `workflow.metadata.texts.all(t, ${Array.from({ length: 60 }, () => "t.contains('xxxxxx')").join(" && ")})`;
    const texts = Array.from({ length: 10 }, () => "x".repeat(500));
    const active = Array.from({ length: 60 }, (_, index) => ruleOf({ id: `r-${index}`, expression: `${long} && facts.f` }));
    const set = ruleSetWith({ active, facts: [factOf("f", `${long} && lists.range(500).all(n, n >= 0)`)] });
    const purse = { left: explainedCostMax };
    const found = explainCheck(set, checkOf({ workflow: { metadata: { texts } } }), [], purse);
    expect(found.rules.length).toBeGreaterThan(3);
    // The first for which there is none is the last that is evaluated.
    const costs = found.rules.map(({ expression }) => expression?.cost ?? 0);
    const spent = [...costs, costs.at(-1) ?? 0].reduce((sum, each) => sum + each) * explanationCostFactor;
    expect(explainedCostMax - purse.left).toBeLessThanOrEqual(spent);
    expect(found.rules.length + found.facts.length + found.omittedCount).toBe(61);
    expect(found.omittedCount).toBeGreaterThan(3);
    expect(JSON.stringify(found).length).toBeLessThan(explanationsBytesMax + 1_000);
  });
});

test("an explanation says of each rule what the judgement says", () => {
  const sources = [
    "to == 'PAUSED'",
    "workflow.metadata.nothing == 1",
    "workflow.metadata.temperature < 8",
    "workflow.metadata.note == null",
  ];
  const set = ruleSetOf(1, ...sources.map((expression, index) => ruleOf({ id: `r-${index}`, expression })));
  const verdict = judge(set, sampleCheck);
  const denied = verdict.type === "rule-denied" ? verdict.violations.map(({ ruleId }) => ruleId) : [];
  const isTrue = ({ expression }: CheckExplanation["rules"][number]) =>
    expression?.outcome.type === "value" && expression.outcome.value === "true";
  expect(
    explained(set)
      .rules.filter((rule) => !isTrue(rule))
      .map(({ ruleId }) => ruleId),
  ).toEqual(denied);
});
