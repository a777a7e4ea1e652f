import { expect, test } from "vitest";
import type { RuleId } from "../../../../src/kernel/ids.ts";
import { applyDescription, type RuleDescribed } from "../../../../src/predicate/core/rule-set/apply.ts";
import { ruleSetLimits } from "../../../../src/predicate/core/rule-set/limits.ts";
import type { Rule, RuleRole, RuleStanding } from "../../../../src/predicate/core/types.ts";
import { contentsOf, factOf, ruleOf } from "../../../support/rule-values.ts";

const stamp = { atMs: 7, requestedBy: "ada", reason: "policy" };
const id = "a" as RuleId;

function described(role: RuleRole, expression: string): RuleDescribed {
  const { id: _id, version: _version, createdAtMs: _at, createdBy: _by, ...source } = ruleOf({ expression });
  return { id, role, source };
}

function apply(rules: readonly RuleDescribed[], before?: Rule, neverUsed: readonly number[] = []) {
  const known = {
    rules: new Map(before && [[id, before]]),
    sameVersion: new Map(),
    neverUsed: new Map([[id, neverUsed]]),
    latestVersion: new Map(),
  };
  const plan = applyDescription(contentsOf(), { rules, items: [] }, known, stamp, { ...ruleSetLimits, unusedVersions: 1 });
  if (!plan.ok) throw new Error(plan.error.type);
  return plan.value.steps[0];
}

test.each(["SHADOW", "DRAFT"] as const)("what judges is the older version, and %s the newest", (role) => {
  const step = apply([described(role, "1 < 2"), described("ACTIVE", "true")]);
  expect(step?.written.map(({ version, expression }) => [version, expression])).toEqual([
    [1, "true"],
    [2, "1 < 2"],
  ]);
  expect(step?.after).toMatchObject({ newest: { version: 2 }, active: { version: 1 } });
});

test("versions that were never used are dropped where a new one is written, and only there", () => {
  const version = ruleOf({ id, version: 3, expression: "false" });
  const standing: RuleStanding = {
    id,
    state: "DRAFT",
    latestVersion: 3,
    activeVersion: undefined,
    shadowVersion: undefined,
    hasJudged: false,
    updatedAtMs: 1,
    requestedBy: "lab",
    reason: "",
  };
  const before: Rule = { version, standing };
  expect(apply([described("DRAFT", "true")], before, [1, 2, 3])).toMatchObject({ written: [{ version: 4 }], dropped: [1, 2, 3] });
});

test("of what is described beside rules, only what says something else is written", () => {
  const facts = [factOf("warm", "true", 3), factOf("cold", "true")];
  const items = [
    ["warm", "true"],
    ["cold", "false"],
  ].map(([name = "", expression = ""]) => ({ kind: "FACT", fact: { name, description: "", expression } }) as const);
  const [same, other] = items;
  if (!same || !other) throw new Error("there are two");
  const known = {
    rules: new Map(),
    sameVersion: new Map(),
    neverUsed: new Map(),
    latestVersion: new Map([
      [same, 3],
      [other, 1],
    ]),
  };
  const plan = applyDescription(contentsOf({ facts }), { rules: [], items }, known, stamp, ruleSetLimits);
  expect(plan).toMatchObject({
    ok: true,
    value: {
      items: { all: [{ fact: { version: 3 } }, { fact: { version: 2 } }], written: [{ fact: { name: "cold", version: 2 } }] },
    },
  });
});
