import { describe, expect, test } from "vitest";
import { celRecord } from "../../../src/predicate/core/bindings.ts";
import type { Variables } from "../../../src/predicate/core/compile.ts";
import { enumNames } from "../../../src/predicate/core/enum-names.ts";
import { compileFilter } from "../../../src/predicate/core/filter.ts";

const states = ["DRAFT", "ACTIVE"];
const variables: Variables = {
  rule: {
    id: "value",
    state: enumNames("RULE_STATE_", states),
    before: enumNames("RULE_STATE_", states, true),
    priority: "value",
  },
};

function matches(expression: string): boolean {
  const filter = compileFilter(variables, expression);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value({ rule: celRecord({ id: "cold", state: "ACTIVE", before: "", priority: 5n }) });
}

describe("a filter", () => {
  test.each([
    ["rule.state == 'ACTIVE' && rule.priority > 3", true],
    ["rule.id.startsWith('w')", false],
    ["rule.id", false],
    ["rule.id > 1", false],
    ["[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, true))) || true", false],
  ])("%s: %j", (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  test("that does not compile says where", () => {
    expect(compileFilter(variables, "rule.stat == 'ACTIVE'")).toEqual({
      ok: false,
      error: { line: 1, column: 6, message: 'unknown field "stat" of rule; known: id, state, before, priority' },
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
    // Not of the enum: a variable of the macro, and a value that only has the same name.
    ["['any'].exists(rule, rule == 'any')", true],
    ["rule.id == 'RULE_STATE_ACTIVE'", false],
  ])("%s knows both spellings of a name: %j", (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  test.each([
    ["rule.id == 'x' || rule.state == 'Active'", 33, 'rule.state is never "Active"; it is one of DRAFT, ACTIVE'],
    ["'Active' != rule.state", 1, 'rule.state is never "Active"; it is one of DRAFT, ACTIVE'],
    [
      "rule.state in ['ACTIVE', 'WORKFLOW_STATE_ACTIVE']",
      26,
      'rule.state is never "WORKFLOW_STATE_ACTIVE"; it is one of DRAFT, ACTIVE',
    ],
    ["[1].all(x, rule.state == 2)", 26, "rule.state is never 2; it is one of DRAFT, ACTIVE"],
    ["rule.state == ''", 15, 'rule.state is never ""; it is one of DRAFT, ACTIVE'],
    ["rule.state == null", 15, "rule.state is never null; it is one of DRAFT, ACTIVE"],
    ["rule.before == 'none'", 16, 'rule.before is never "none"; it is one of DRAFT, ACTIVE, ""'],
  ])("%s, which can never be, is refused", (expression, column, message) => {
    expect(compileFilter(variables, expression)).toEqual({ ok: false, error: { line: 1, column, message } });
  });
});
