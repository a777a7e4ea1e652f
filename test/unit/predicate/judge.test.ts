import { describe, expect, test } from "vitest";
import { isMove, isTerminal, workflowStates } from "../../../src/kernel/lifecycle.ts";
import { compileRule, lastOf } from "../../../src/predicate/core/compile-rule.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { checkCostMax, evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { compileContents } from "../../../src/predicate/core/rule-set.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { checkOf, contentsOf, ruleOf, ruleSetOf, ruleSetWith, sampleCheck } from "../../support/rule-values.ts";

describe("the lifecycle comes first", () => {
  test("a move it does not have is answered with those it has, and no rule is asked", () => {
    const set = ruleSetOf(3, ruleOf({ expression: "1 / (workflow.version - 2) == 1" }));
    expect(judge(set, checkOf({ workflow: { state: "CREATED" } }))).toEqual({
      type: "invalid-transition",
      ruleSetRevision: 3,
      allowedStates: ["ACTIVE"],
    });
  });

  test("without rules it alone decides, for all 36 pairs", () => {
    for (const state of workflowStates) {
      for (const targetState of workflowStates) {
        const verdict = judge(ruleSetOf(0), checkOf({ workflow: { state }, targetState }));
        expect([state, targetState, verdict.type]).toEqual([
          state,
          targetState,
          isMove(state, targetState) ? "allowed" : "invalid-transition",
        ]);
      }
    }
  });
});

describe("an update", () => {
  const update = (state: Check["workflow"]["state"], proposed = { temperature: 9 }): Check =>
    checkOf({ workflow: { state }, targetState: state, proposed });

  test("is possible until the end, and moves nothing", () => {
    for (const state of workflowStates) {
      const { type } = judge(ruleSetOf(2), update(state));
      expect([state, type]).toEqual([state, isTerminal(state) ? "invalid-transition" : "allowed"]);
    }
    expect(() => judge(ruleSetOf(2), { ...update("ACTIVE"), targetState: "PAUSED" })).toThrow("an update moves nothing");
  });

  test("that breaks the schema of its type is told what is wrong, and no rule is asked", () => {
    const metadataSchema = { properties: { temperature: { type: "integer" } } };
    const sample = { name: "sample", description: "", metadataSchema, version: 1, createdAtMs: 1, createdBy: "lab" };
    const set = ruleSetWith({
      revision: 6,
      workflowTypes: [sample],
      active: [ruleOf({ expression: "false", operations: ["UPDATE"] })],
    });
    expect(judge(set, update("ACTIVE", { temperature: 7.5 }))).toMatchObject({
      ...{ type: "metadata-invalid", ruleSetRevision: 6 },
      problems: [{ path: expect.stringContaining("temperature") }],
    });
  });

  test("is judged by the rules for updates, and a move by those for moves", () => {
    const set = ruleSetOf(
      5,
      ruleOf({ id: "move", expression: "false" }),
      ruleOf({ id: "update", expression: "false", operations: ["UPDATE"] }),
    );
    const deniedBy = (check: Check): readonly string[] => {
      const verdict = judge(set, check);
      return verdict.type === "rule-denied" ? verdict.violations.map(({ ruleId }) => ruleId) : [];
    };
    expect(deniedBy(update("ACTIVE"))).toEqual(["update"]);
    expect(deniedBy(sampleCheck)).toEqual(["move"]);
  });
});

describe("rules forbid", () => {
  test("all that forbid are named, highest priority first, then by id", () => {
    const set = ruleSetOf(
      7,
      ruleOf({ id: "b", expression: "false", description: "second" }),
      ruleOf({ id: "a", expression: "false", description: "third", priority: -1 }),
      ruleOf({ id: "c", expression: "workflow.metadata.temperature < 8" }),
      ruleOf({ id: "ab", expression: "false" }),
      ruleOf({
        id: "d",
        expression: "false",
        version: 4,
        priority: 9,
        message: "'too warm: ' + string(workflow.metadata.temperature)",
      }),
    );
    expect(judge(set, sampleCheck)).toEqual({
      type: "rule-denied",
      ruleSetRevision: 7,
      violations: [
        { ruleId: "d", ruleVersion: 4, message: "too warm: 7.5", evaluationFailed: false },
        { ruleId: "ab", ruleVersion: 1, message: "not allowed", evaluationFailed: false },
        { ruleId: "b", ruleVersion: 1, message: "second", evaluationFailed: false },
        { ruleId: "a", ruleVersion: 1, message: "third", evaluationFailed: false },
      ],
      warnings: [],
      audits: [],
      shadows: [],
      shadowsNotJudged: 0,
      cost: expect.any(Number),
    });
  });

  test.each([
    [[], "ACTIVE", "PAUSED", true],
    [[{ from: "ACTIVE", to: "PAUSED" }], "ACTIVE", "PAUSED", true],
    [[{ from: "ACTIVE", to: undefined }], "ACTIVE", "FAILED", true],
    [[{ from: undefined, to: "CANCELLED" }], "PAUSED", "CANCELLED", true],
    [[{ from: undefined, to: undefined }], "FAILED", "ACTIVE", true],
    [[{ from: "ACTIVE", to: "PAUSED" }], "ACTIVE", "FAILED", false],
    [[{ from: "PAUSED", to: undefined }], "ACTIVE", "PAUSED", false],
    [
      [
        { from: "PAUSED", to: undefined },
        { from: "ACTIVE", to: "FAILED" },
      ],
      "ACTIVE",
      "FAILED",
      true,
    ],
  ] as const)("only the moves they apply to: %j, %s to %s", (moves, state, targetState, denied) => {
    const set = ruleSetOf(1, ruleOf({ moves, expression: "false" }));
    expect(judge(set, checkOf({ workflow: { state }, targetState })).type).toBe(denied ? "rule-denied" : "allowed");
  });
});

describe("it fails closed", () => {
  const violation = (changes: Parameters<typeof ruleOf>[0]) => {
    const verdict = judge(ruleSetOf(1, ruleOf(changes)), sampleCheck);
    return verdict.type === "rule-denied" ? verdict.violations[0] : verdict;
  };

  test("an evaluation error denies, and says which rule and why", () => {
    expect(violation({ id: "dry", expression: "workflow.metadata.humidity < 60", description: "keep it dry" })).toEqual({
      ruleId: "dry",
      ruleVersion: 1,
      message:
        'rule "dry" could not be evaluated: line 1, column 19: field not found: humidity; has(workflow.metadata.humidity) asks whether there is one',
      evaluationFailed: true,
    });
  });

  test("so does a result that is no bool", () => {
    expect(violation({ expression: "dyn(workflow.version)" })).toMatchObject({
      message: 'rule "rule" could not be evaluated: line 1, column 1: the result is not a bool but int',
      evaluationFailed: true,
    });
  });

  test("so does a cost beyond the bound, whatever the expression makes of it", () => {
    const loop = "[1,2,3,4,5,6,7,8,9,10]";
    const nested = `${loop}.all(a, ${loop}.all(b, ${loop}.all(c, ${loop}.all(d, ${loop}.all(e, true)))))`;
    expect(violation({ expression: `${nested} || true` })).toMatchObject({
      message:
        'rule "rule" could not be evaluated: line 1, column 121: costs more than 100000 units: it looks at too much data, or too often',
      evaluationFailed: true,
    });
  });

  test("a message that cannot be evaluated is replaced", () => {
    expect(violation({ expression: "false", message: "request.context.missing" })).toEqual({
      ruleId: "rule",
      ruleVersion: 1,
      message:
        'rule "rule" does not hold; its message could not be evaluated: line 1, column 17: field not found: missing; has(request.context.missing) asks whether there is one',
      evaluationFailed: false,
    });
    expect(violation({ expression: "false", message: "dyn(1 + 1)" })).toMatchObject({
      message:
        'rule "rule" does not hold; its message could not be evaluated: line 1, column 1: the result is not a string but int',
    });
  });

  test.each([
    ["x", 1000],
    ["漢", 1000],
    ["😀", 750],
  ])("a message is cut to 1,000 characters and 3,000 bytes, in whole characters: %s", (character, count) => {
    const verdict = judge(
      ruleSetOf(1, ruleOf({ expression: "false", message: "request.reason" })),
      checkOf({ reason: character.repeat(2000) }),
    );
    expect(verdict).toMatchObject({ violations: [{ message: character.repeat(count) }] });
  });

  test.each([
    'workflow["state"] != "WORKFLOW_STATE_ACTIVE"',
    '!("WORKFLOW_STATE_ACTIVE" in [workflow.state])',
    '["WORKFLOW_STATE_ACTIVE"].all(s, s != from)',
    '[from, workflow["state"]].all(s, s != "WORKFLOW_STATE_ACTIVE")',
  ])("a rule may name a state by its long name, however it gets there: %s", (expression) => {
    const verdict = judge(
      ruleSetOf(1, ruleOf({ expression })),
      checkOf({ workflow: { state: "ACTIVE" }, targetState: "PAUSED" }),
    );
    expect(verdict).toMatchObject({ type: "rule-denied", violations: [{ evaluationFailed: false }] });
  });

  test("a stored rule that does not compile any more denies", () => {
    const active = [ruleOf({ id: "old", expression: "1+gone()" })];
    const { ruleSet, problems } = lastOf(compileContents(contentsOf({ active })));
    expect(problems).toMatchObject([{ kind: "RULE", name: "old", version: 1, field: "expression", error: { column: 3 } }]);
    expect(judge(ruleSet, sampleCheck)).toMatchObject({
      violations: [
        { message: 'rule "old" could not be evaluated: line 1, column 3: unknown function "gone"', evaluationFailed: true },
      ],
    });
  });
});

test("a rule that does not compile names the field", () => {
  expect(compileRule(ruleOf({ expression: "frm == to" }))).toMatchObject({
    ok: false,
    error: { field: "expression", line: 1, column: 1 },
  });
  expect(compileRule(ruleOf({ expression: "from" }))).toMatchObject({ ok: false, error: { field: "expression" } });
  expect(compileRule(ruleOf({ message: "true" }))).toMatchObject({ ok: false, error: { field: "message", column: 1 } });
  expect(compileRule(ruleOf({ message: "'a' +" }))).toMatchObject({ ok: false, error: { field: "message", line: 1, column: 6 } });
});

describe("what all rules of a check cost is bounded", () => {
  /** 90,000 units of its own, without any data. */
  const dear = (id: string, priority: number) => {
    const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
    return ruleOf({ id, priority, expression: `${items}.all(x, ${items}.all(y, x + y >= 0))` });
  };

  test("eight legal rules without data deny, and the one that ends the check is named", () => {
    const purse = { left: checkCostMax };
    const eight = Array.from({ length: 8 }, (_, n) => dear(`dear-${n}`, -n));
    const verdict = judge(ruleSetOf(1, ...eight), sampleCheck, purse);
    expect(verdict).toMatchObject({
      type: "rule-denied",
      violations: [
        {
          ruleId: expect.stringMatching(/^dear-\d$/),
          message: expect.stringContaining(`more than ${checkCostMax} units together, most of it rule "dear-0"`),
          evaluationFailed: true,
        },
      ],
      cost: checkCostMax,
    });
    expect(purse.left).toBeLessThan(0);
  });

  test.each([1, 2, 3, 8])("%i that cost too much, each for itself or together, cost what a check may, at most", (count) => {
    const items = `[${Array.from({ length: 120 }, (_, n) => n).join(",")}]`;
    const expression = `${items}.all(x, ${items}.all(y, x + y >= 0))`;
    const rules = Array.from({ length: count }, (_, n) => ruleOf({ id: `r-${n}`, expression }));
    const verdict = judge(ruleSetOf(1, ...rules), sampleCheck);
    expect(verdict).toMatchObject({ type: "rule-denied" });
    const { cost } = verdict as { readonly cost: number };
    expect(cost).toBeGreaterThanOrEqual(evaluationCostMax);
    expect(cost).toBeLessThanOrEqual(checkCostMax);
  });

  test("a cheaper one denies beside them if it comes first, and is not asked after them", () => {
    const many = Array.from({ length: 8 }, (_, n) => dear(`dear-${n}`, 0));
    const first = judge(ruleSetOf(1, ...many, ruleOf({ id: "no", expression: "false", priority: 1 })), sampleCheck);
    const last = judge(ruleSetOf(1, ...many, ruleOf({ id: "no", expression: "false", priority: -1 })), sampleCheck);
    expect(first).toMatchObject({ violations: [{ ruleId: "no" }, { evaluationFailed: true }] });
    expect(last).toMatchObject({ violations: [{ evaluationFailed: true }] });
  });

  test("messages are part of it", () => {
    const rule = dear("rule", 0);
    const spoken = (n: number) => ruleOf({ id: `spoken-${n}`, expression: "false", message: `${rule.expression} ? 'no' : ''` });
    const verdict = judge(ruleSetOf(1, spoken(1), spoken(2), spoken(3), spoken(4), spoken(5)), sampleCheck);
    expect(verdict).toMatchObject({ violations: expect.not.arrayContaining([expect.objectContaining({ ruleId: "spoken-5" })]) });
  });

  const much = { numbers: Array.from({ length: 20_000 }, () => 1) };
  const event = { type: undefined, fromState: undefined, toState: undefined, occurredAtMs: 0, requestedBy: "", reason: "" };
  test.each([
    { whose: "of the workflow", check: checkOf({ workflow: { metadata: much } }) },
    { whose: "of its last event", check: checkOf({ lastEvent: { ...event, metadata: much } }) },
    { whose: "of the request", check: checkOf({ context: much }) },
  ])("much data $whose costs before the first rule", ({ check }) => {
    const purse = { left: checkCostMax };
    judge(ruleSetOf(1, ruleOf({})), check, purse);
    expect(checkCostMax - purse.left).toBeGreaterThan(2000);
  });
});
