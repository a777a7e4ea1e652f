import { expect, test } from "vitest";
import { newProblems } from "../../../../src/predicate/core/rule-set/problems.ts";
import type { RuleSetProblem } from "../../../../src/predicate/core/rule-set.ts";

const problem = (name: string, message = "unknown", version = 1): RuleSetProblem => ({
  kind: "RULE",
  name,
  version,
  field: "expression",
  error: { line: 1, column: 1, message, snippet: "", others: [] },
});

test("what was wrong before and is not touched is not new", () => {
  const [old, fresh] = [problem("old"), problem("fresh")];
  expect(newProblems([old], [old, fresh], [])).toEqual([fresh]);
  expect(newProblems([old], [problem("old", "other")], [])).toHaveLength(1);
  expect(newProblems([old], [problem("old", "unknown", 2)], [])).toHaveLength(1);
});

test("what was wrong in shadow must not judge", () => {
  const old = problem("old");
  expect(newProblems([old], [old], [{ kind: "RULE", name: "old", version: 1, role: "ACTIVE" }])).toEqual([old]);
  expect(newProblems([old], [old], [{ kind: "RULE", name: "old", version: 2, role: "ACTIVE" }])).toEqual([]);
});
