import { describe, expect, test } from "vitest";
import { celRecord } from "../../../src/predicate/core/bindings.ts";
import { compileFilter } from "../../../src/predicate/core/filter.ts";

const variables = { rule: ["id", "state", "priority"] };

function matches(expression: string): boolean {
  const filter = compileFilter(variables, expression);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value({ rule: celRecord({ id: "cold", state: "ACTIVE", priority: 5n }) });
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
      error: { line: 1, column: 6, message: 'unknown field "stat" of rule; known: id, state, priority' },
    });
  });
});
