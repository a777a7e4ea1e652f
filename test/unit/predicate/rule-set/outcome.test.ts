import { describe, expect, test } from "vitest";
import type { RuleId } from "../../../../src/kernel/ids.ts";
import { factItem, testItem, workflowTypeItem } from "../../../../src/predicate/core/rule-set/items.ts";
import { ruleSetLimits } from "../../../../src/predicate/core/rule-set/limits.ts";
import { outcomeOf, type Plan, type Present } from "../../../../src/predicate/core/rule-set/outcome.ts";
import type { RuleStep, RuleWanted } from "../../../../src/predicate/core/rule-set/standing.ts";
import type { Rule, RuleSetContents, RuleVersion } from "../../../../src/predicate/core/types.ts";
import { contentsOf, factOf, ruleOf, sampleCheck } from "../../../support/rule-values.ts";

const stamp = { atMs: 7, requestedBy: "ada", reason: "policy" };

const present = (parts: Partial<RuleSetContents> = {}, idleRuleCount = 0): Present => ({
  contents: contentsOf({ revision: 3, ...parts }),
  sequence: 5,
  idleRuleCount,
});

const numbered = (count: number, prefix = "r"): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

const rules = (count: number): readonly RuleVersion[] => numbered(count).map((id) => ruleOf({ id }));

const created = (rule: RuleVersion, role: "active" | "shadow" | "draft"): RuleStep => {
  const after: RuleWanted = {
    newest: rule,
    active: role === "active" ? rule : undefined,
    shadow: role === "shadow" ? rule : undefined,
    givenUp: false,
  };
  return { id: rule.id, before: undefined, after, written: [rule], dropped: [] };
};

const planOf = (parts: Partial<Plan>): Plan => ({ kind: "APPLIED", steps: [], items: undefined, shown: undefined, ...parts });

const decide = (before: Present, parts: Partial<Plan>) => outcomeOf(before, planOf(parts), stamp, ruleSetLimits);

test("nothing different is no change, in no revision", () => {
  expect(decide(present(), {})).toMatchObject({ ok: true, value: { change: undefined, present: present(), membersAdded: [] } });
});

test("differences come by kind, name and role, and a new version that judges is told once", () => {
  const [a1, a2, b] = [ruleOf({ id: "a" }), ruleOf({ id: "a", version: 2 }), ruleOf({ id: "b" })];
  const fact = factItem(factOf("a", "1"));
  const step: RuleStep = {
    ...created(a1, "active"),
    after: { newest: a2, active: a1, shadow: a2, givenUp: false },
    written: [a1, a2],
  };
  const outcome = decide(present(), { steps: [created(b, "draft"), step], items: { all: [fact], written: [fact] } });
  expect(outcome).toMatchObject({
    ok: true,
    value: {
      change: {
        sequence: 6,
        revision: 4,
        changedAtMs: 7,
        differences: [
          { before: undefined, after: { kind: "RULE", role: "ACTIVE", rule: a1 } },
          { before: undefined, after: { kind: "RULE", role: "SHADOW", rule: a2 } },
          { before: undefined, after: { kind: "RULE", role: "DRAFT", rule: b } },
          { before: undefined, after: fact },
        ],
      },
      membersAdded: [
        { kind: "RULE", name: "a", version: 1, role: "ACTIVE" },
        { kind: "RULE", name: "a", version: 2, role: "SHADOW" },
        { kind: "FACT", name: "a", version: 1, role: "ACTIVE" },
      ],
      membersRemoved: [],
      present: { sequence: 6, idleRuleCount: 1 },
    },
  });
});

test("facts, types and tests stand in the order of their names", () => {
  const all = ["b", "c", "a"].map((name) => factItem(factOf(name, "1")));
  const outcome = decide(present(), { items: { all, written: all } });
  expect(outcome.ok && outcome.value.present.contents.facts.map(({ name }) => name)).toEqual(["a", "b", "c"]);
});

test.each(["active", "shadow"] as const)("a new rule that is %s at once is told as that, and as no draft", (role) => {
  const rule = ruleOf({ id: "a" });
  expect(decide(present(), { steps: [created(rule, role)] })).toMatchObject({
    ok: true,
    value: { change: { differences: [{ before: undefined, after: { role: role.toUpperCase(), rule } }] } },
  });
});

test("a draft that is written and removed is in the history, and in no revision", () => {
  const draft = ruleOf({ id: "a" });
  const standing = {
    id: "a" as RuleId,
    state: "DRAFT",
    latestVersion: 1,
    activeVersion: undefined,
    shadowVersion: undefined,
    hasJudged: false,
    updatedAtMs: 7,
    requestedBy: "ada",
    reason: "policy",
  } as const;
  const before: Rule = { version: draft, standing };
  expect(decide(present(), { steps: [created(draft, "draft")], shown: draft })).toMatchObject({
    ok: true,
    value: { change: { revision: 3, differences: [{}] }, standings: [standing], rule: before, present: { idleRuleCount: 1 } },
  });
  const removed = { id: "a" as RuleId, before, after: undefined, written: [], dropped: [] };
  expect(decide(present({}, 1), { steps: [removed], shown: draft })).toMatchObject({
    ok: true,
    value: {
      change: { revision: 3, differences: [{ before: { role: "DRAFT", rule: draft }, after: undefined }] },
      standings: [],
      removedRules: ["a"],
      rule: before,
      present: { idleRuleCount: 0 },
    },
  });
});

test.each(["active", "shadow"] as const)("a rule that was given up, and is %s again, is told once", (role) => {
  const step = created(ruleOf({ id: "a" }), role);
  const standing = {
    id: step.id,
    state: "DEPRECATED",
    latestVersion: 1,
    activeVersion: undefined,
    shadowVersion: undefined,
    hasJudged: true,
    updatedAtMs: 7,
    requestedBy: "ada",
    reason: "policy",
  } as const;
  const before: Rule = { version: ruleOf({ id: "a" }), standing };
  const outcome = decide(present({}, 1), { steps: [{ ...step, before, written: [] }] });
  expect(outcome.ok && outcome.value.change?.differences).toMatchObject([
    { before: undefined, after: { role: role.toUpperCase() } },
  ]);
});

const stamped = { version: 1, createdAtMs: 1, createdBy: "ada" };
const factItems = (count: number) => numbered(count, "f").map((name) => factItem(factOf(name, "1")));
const typeItems = (count: number) =>
  numbered(count, "w").map((name) => workflowTypeItem({ name, description: "", metadataSchema: undefined, ...stamped }));
const testItems = (count: number) =>
  numbered(count, "t").map((name) =>
    testItem({ name, check: sampleCheck, expect: { verdict: "allowed", violations: [] }, ...stamped }),
  );
const ofTypes = (count: number, prefix: string) => ruleOf({ id: prefix, workflowTypes: numbered(count, prefix) });
const newRule = ruleOf({ id: "new" });

describe("there can be so many, and no more", () => {
  test.each<[string, number, (count: number) => readonly [Present, Partial<Plan>]]>([
    ["active rules", 1000, (count) => [present({ active: rules(count - 1) }), { steps: [created(newRule, "active")] }]],
    ["rules in shadow", 100, (count) => [present({ shadow: rules(count - 1) }), { steps: [created(newRule, "shadow")] }]],
    ["drafts", 10_000, (count) => [present({}, count - 1), { steps: [created(newRule, "draft")] }]],
    ["facts", 256, (count) => [present(), { items: { all: factItems(count), written: [] } }]],
    ["workflow types", 256, (count) => [present(), { items: { all: typeItems(count), written: [] } }]],
    [
      "workflow types",
      256,
      (count) => [present({ active: [ofTypes(200, "a")] }), { steps: [created(ofTypes(count - 200, "b"), "shadow")] }],
    ],
    ["tests", 1000, (count) => [present(), { items: { all: testItems(count), written: [] } }]],
  ])("%s: %i", (what, limit, given) => {
    expect(decide(...given(limit))).toMatchObject({ ok: true });
    expect(decide(...given(limit + 1))).toEqual({ ok: false, error: { type: "rule-limit", what, limit } });
  });

  test("of types that are too many already, none can be added, and some can be left", () => {
    const before = present({ active: [ofTypes(300, "a")] });
    expect(decide(before, { steps: [created(ofTypes(1, "b"), "active")] })).toMatchObject({
      ok: false,
      error: { what: "workflow types" },
    });
    expect(decide(before, { steps: [created({ ...ofTypes(200, "a"), id: newRule.id }, "active")] })).toMatchObject({ ok: true });
  });

  test("of what there is too much already, some can be taken away", () => {
    const gone = { newest: ruleOf({ id: "r0" }), active: undefined, shadow: undefined, givenUp: false };
    const standing = {
      id: "r0" as RuleId,
      state: "ACTIVE",
      latestVersion: 1,
      activeVersion: 1,
      shadowVersion: undefined,
      hasJudged: true,
      updatedAtMs: 1,
      requestedBy: "ada",
      reason: "",
    } as const;
    const before: Rule = { version: gone.newest, standing };
    const step = { id: before.standing.id, before, after: gone, written: [], dropped: [] };
    expect(decide(present({ active: rules(1200) }, 10_000), { steps: [step] })).toMatchObject({
      ok: true,
      value: { present: { idleRuleCount: 10_001 } },
    });
  });
});
