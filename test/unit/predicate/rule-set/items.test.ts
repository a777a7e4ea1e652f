import { expect, test } from "vitest";
import { deleteItem, setItem } from "../../../../src/predicate/core/rule-set/item-changes.ts";
import { factItem, testItem } from "../../../../src/predicate/core/rule-set/items.ts";
import { rulesToRollBack } from "../../../../src/predicate/core/rule-set/rollback.ts";
import { authorshipOf } from "../../../../src/predicate/core/rule-set/standing.ts";
import { contentsOf, factOf, ruleOf, sampleCheck } from "../../../support/rule-values.ts";

const stamp = { atMs: 7, requestedBy: "ada", reason: "policy" };
const warm = factOf("warm", "true");
const fact = (expression: string) => ({ kind: "FACT", fact: { name: "warm", description: "", expression } }) as const;

test("what says the same is no new version, and what says something else is the next one of all that there were", () => {
  const cold = factOf("cold", "true");
  const contents = contentsOf({ facts: [cold, warm] });
  expect(setItem(contents, fact("true"), 1, stamp).items).toEqual({ all: [factItem(cold), factItem(warm)], written: [] });
  const after = factItem({ ...factOf("warm", "false", 5), createdAtMs: 7, createdBy: "ada" });
  expect(setItem(contents, fact("false"), 4, stamp).items).toEqual({ all: [factItem(cold), after], written: [after] });
});

test("of several kinds, what has that name is taken away, and nothing else", () => {
  const test = {
    ...{ name: "warm", version: 1, createdAtMs: 1, createdBy: "lab", check: sampleCheck },
    expect: { verdict: "allowed", violations: [] },
  } as const;
  const contents = contentsOf({ facts: [warm, factOf("cold", "true")], tests: [test] });
  expect(deleteItem(contents, "FACT", "warm")).toMatchObject({
    ok: true,
    value: { items: { all: [{ fact: { name: "cold" } }, testItem(test)], written: [] } },
  });
  expect(deleteItem(contents, "WORKFLOW_TYPE", "warm")).toMatchObject({ ok: false, error: { type: "item-not-found" } });
});

test("rolled back are the rules of which another version judges", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => ruleOf({ id }));
  if (!a || !b || !c || !d) throw new Error("there are four");
  const second = { ...b, version: 2 };
  expect(rulesToRollBack(contentsOf({ active: [a, b] }), contentsOf({ active: [a, second, d], shadow: [c] }))).toEqual([
    "b",
    "d",
    "c",
  ]);
  expect(rulesToRollBack(contentsOf({ active: [a], shadow: [c] }), contentsOf({ active: [a] }))).toEqual(["c"]);
});

test("who has written a version is told with who was proved to, if anybody was", () => {
  expect(authorshipOf(3, stamp)).toEqual({ version: 3, createdAtMs: 7, createdBy: "ada" });
  expect(authorshipOf(3, { ...stamp, authenticatedAs: "ada@example.org" })).toEqual({
    ...{ version: 3, createdAtMs: 7, createdBy: "ada" },
    createdAs: "ada@example.org",
  });
});
