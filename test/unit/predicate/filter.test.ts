import { describe, expect, test } from "vitest";
import { celRecord } from "../../../src/predicate/core/bindings.ts";
import type { Variables } from "../../../src/predicate/core/compile.ts";
import { enumNames } from "../../../src/predicate/core/enum-names.ts";
import { compileFilter } from "../../../src/predicate/core/filter.ts";
import { enumOf, recordOf, types } from "../../../src/predicate/core/typing/type.ts";

const states = ["DRAFT", "ACTIVE"];
const variables: Variables = {
  rule: recordOf({
    id: types.string,
    state: enumOf(enumNames("RULE_STATE_", states)),
    before: enumOf(enumNames("RULE_STATE_", states, true)),
    priority: types.int,
  }),
};

function matches(expression: string): boolean {
  const filter = compileFilter(variables, expression);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value.matches({ rule: celRecord({ id: "cold", state: "ACTIVE", before: "", priority: 5n }) });
}

describe("a filter", () => {
  test.each([
    ["rule.state == 'ACTIVE' && rule.priority > 3", true],
    ["rule.id.startsWith('w')", false],
    ["dyn(rule.id)", false],
    ["dyn(rule.id) > 1", false],
    ["[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, true))) || true", false],
  ])("%s: %j", (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  test("says which variables it looks at", () => {
    const both: Variables = { ...variables, workflow: recordOf({ id: types.string }) };
    const readsOf = (expression: string) => {
      const filter = compileFilter(both, expression);
      return filter.ok && ["rule", "workflow", "x"].filter(filter.value.reads);
    };
    expect(readsOf("rule.id == 'a'")).toEqual(["rule"]);
    expect(readsOf("rule.id == workflow.id && rule.priority > 1")).toEqual(["rule", "workflow"]);
    expect(readsOf("true")).toEqual([]);
  });

  test("that is never a bool is refused", () => {
    expect(compileFilter(variables, "rule")).toMatchObject({
      ok: false,
      error: { message: "the result is never a bool but a map" },
    });
  });

  test("that does not compile says where", () => {
    expect(compileFilter(variables, "rule.stat == 'ACTIVE'")).toMatchObject({
      ok: false,
      error: { line: 1, column: 6, message: 'unknown field "stat" of rule; did you mean "state"?' },
    });
  });

  test.each([
    ["rule.state == 'RULE_STATE_ACTIVE'", true],
    ["'RULE_STATE_ACTIVE' == rule.state", true],
    ["rule.state != 'RULE_STATE_ACTIVE'", false],
    ["rule.state != 'RULE_STATE_DRAFT'", true],
    ["rule.state in ['RULE_STATE_DRAFT', 'RULE_STATE_ACTIVE']", true],
    ["!(rule.state in ['DRAFT'])", true],
    ["rule.before == '' && rule.before == 'RULE_STATE_UNSPECIFIED'", true],
    ["[1].exists(x, x == 1 && rule.state == 'RULE_STATE_ACTIVE')", true],
    ["rule['state'] == 'RULE_STATE_ACTIVE'", true],
    ["rule['state'] != 'RULE_STATE_ACTIVE' || rule['before'] != ''", false],
    ["'RULE_STATE_ACTIVE' in [rule.state, rule['before']]", true],
    ["'RULE_STATE_DRAFT' in [rule.state]", false],
    ["['DRAFT', 'RULE_STATE_ACTIVE'].exists(s, s == rule.state)", true],
    ["['RULE_STATE_ACTIVE'].exists(s, s in [rule.before, rule.state])", true],
    ["[rule.before, rule.state].exists(s, s == 'RULE_STATE_ACTIVE')", true],
    ["[rule.before, rule.state].exists(s, ['x'].exists(y, s == 'RULE_STATE_ACTIVE'))", true],
    // Not of the enum: a variable of the macro, and a value that only has the same name.
    ["['any'].exists(rule, rule == 'any')", true],
    ["rule.id == 'RULE_STATE_ACTIVE'", false],
    ["{'state': 'RULE_STATE_ACTIVE'}['state'] == 'RULE_STATE_ACTIVE'", true],
    ["[{'state': 'any'}].exists(rule, rule['state'] == 'any')", true],
    // Compared with something else, too.
    ["['ACTIVE', 'cold'].exists(s, s == rule.state || s == rule.id)", true],
    ["'ACTIVE' in [rule.state, rule.id] && 'cold' in [rule.id]", true],
    ["['cold'].exists(rule_id, rule_id == rule.id)", true],
  ])("%s knows both spellings of a name: %j", (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  test.each([
    ["rule.id == 'x' || rule.state == 'Active'", 33, 'rule.state is never "Active"; did you mean "ACTIVE"?'],
    ["'Active' != rule.state", 1, 'rule.state is never "Active"; did you mean "ACTIVE"?'],
    [
      "rule.state in ['ACTIVE', 'WORKFLOW_STATE_ACTIVE']",
      26,
      'rule.state is never "WORKFLOW_STATE_ACTIVE"; it is one of DRAFT, ACTIVE',
    ],
    ["[1].all(x, rule.state == 2)", 26, "rule.state is never 2; it is one of DRAFT, ACTIVE"],
    ["rule.state == ''", 15, 'rule.state is never ""; it is one of DRAFT, ACTIVE'],
    ["rule.state == null", 15, "rule.state is never null; it is one of DRAFT, ACTIVE"],
    ["rule['state'] == 'Active'", 18, 'rule.state is never "Active"; did you mean "ACTIVE"?'],
    ["'Active' in [rule.state]", 1, 'rule.state is never "Active"; did you mean "ACTIVE"?'],
    ["'RULE_STATE_ACTIVE' in [rule.id, rule.state]", 1, 'rule.state is never "RULE_STATE_ACTIVE"; it is one of DRAFT, ACTIVE'],
    ["['ACTIVE', 'DRAFD'].exists(s, s == rule.state)", 12, 'rule.state is never "DRAFD"; did you mean "DRAFT"?'],
    ["!['DRAFD'].all(s, rule.state != s)", 3, 'rule.state is never "DRAFD"; did you mean "DRAFT"?'],
    ["[rule.state].exists(s, s == 'DRAFD')", 29, 's is never "DRAFD"; did you mean "DRAFT"?'],
    ["rule.before == 'none'", 16, 'rule.before is never "none"; it is one of DRAFT, ACTIVE, ""'],
  ])("%s, which can never be, is refused", (expression, column, message) => {
    expect(compileFilter(variables, expression)).toMatchObject({ ok: false, error: { line: 1, column, message } });
  });
});
